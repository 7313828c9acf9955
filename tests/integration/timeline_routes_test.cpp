// SPDX-License-Identifier: MIT
//
// On which ways an error of the work reaches those who wait at a timeline, in every order of what
// happens before it fails and after.
#include "sw_sync.hpp"
#include "timelines.hpp"

#include <array>
#include <cerrno>
#include <functional>
#include <iomanip>
#include <iostream>
#include <vector>

namespace {

using namespace timelines;
using cb::Timeline;
using cb::TimelinePoint;

/// What a route may use: two timelines, a stranger's view of the first on an open file of
/// its own, as another process has it, and work that fails when `fail` is called.
struct Scene {
    Timeline a;
    Timeline b;
    Timeline strangers_a;
    cb::Fence bad;
    cb::Fence good;
    std::function<void()> fail;
};

struct Route {
    const char* name;
    bool lost; ///< as the header says
    std::function<cb::Status(const Scene&)> take;
};

cb::Status any(const Timeline& one, const Timeline& other)
{
    const auto first =
        Timeline::wait_any(std::array{TimelinePoint{one, 1}, TimelinePoint{other, 1}}, cb::deadline_in(1s));
    return first ? cb::Status() : first.error();
}

/// A test of a point whose work is pending.
void look(const Timeline& timeline, std::uint64_t point)
{
    EXPECT_EQ(category(timeline.wait(point, cb::Deadline{})), cb::Category::timed_out);
}

// What happens before the work fails and what after it, in every order.
const std::vector<Route>& routes()
{
    static const std::vector<Route> all{
        {"attach, fail, wait", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             s.fail();
             return s.a.wait(1, cb::deadline_in(1s));
         }},
        {"fail, attach, wait", false,
         [](const Scene& s) {
             s.fail();
             EXPECT_TRUE(s.a.attach(1, s.bad));
             return s.a.wait(1, cb::deadline_in(1s));
         }},
        {"fail, look, attach, wait", false,
         [](const Scene& s) {
             s.fail();
             EXPECT_FALSE(s.bad.signalled());
             EXPECT_TRUE(s.a.attach(1, s.bad));
             EXPECT_EQ(s.a.last_signalled().value(), 1U);
             return s.a.wait(1, cb::deadline_in(1s));
         }},
        {"attach, wait, fail meanwhile", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             std::thread later([&s] {
                 std::this_thread::sleep_for(20ms);
                 s.fail();
             });
             cb::Status result = s.a.wait(1, cb::deadline_in(1s));
             later.join();
             return result;
         }},
        {"wait, attach meanwhile, fail", false,
         [](const Scene& s) {
             std::thread later([&s] {
                 std::this_thread::sleep_for(20ms);
                 EXPECT_TRUE(s.a.attach(1, s.bad));
                 s.fail();
             });
             cb::Status result = s.a.wait(1, cb::deadline_in(1s));
             later.join();
             return result;
         }},
        {"attach, fail, later points, wait", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             s.fail();
             EXPECT_TRUE(s.a.signal(2));
             EXPECT_TRUE(s.a.signal(3));
             return s.a.wait(1, cb::deadline_in(1s));
         }},
        {"attach, later points, fail, wait for those", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             EXPECT_TRUE(s.a.attach(2, s.good));
             EXPECT_TRUE(s.a.signal(3));
             s.fail();
             return s.a.wait(3, cb::deadline_in(1s));
         }},
        {"attach merged, fail, wait", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, cb::Fence::merge(std::array{s.bad, s.good})));
             s.fail();
             return s.a.wait(1, cb::deadline_in(1s));
         }},
        {"attach, fail, wait for all", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             EXPECT_TRUE(s.b.attach(1, s.good));
             s.fail();
             return Timeline::wait_all(std::array{TimelinePoint{s.b, 1}, TimelinePoint{s.a, 1}}, cb::deadline_in(1s));
         }},
        {"attach, fail, wait for any", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             s.fail();
             return any(s.b, s.a);
         }},
        {"attach, transfer, fail, wait for the other", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             EXPECT_TRUE(s.a.transfer(1, s.b, 1));
             s.fail();
             return s.b.wait(1, cb::deadline_in(1s));
         }},
        {"attach, fail, transfer, wait for the other", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             s.fail();
             EXPECT_TRUE(s.a.signal(2));
             EXPECT_TRUE(s.a.transfer(2, s.b, 1));
             EXPECT_TRUE(s.b.signal(2));
             return s.b.wait(2, cb::deadline_in(1s));
         }},
        {"attach, transfer there and back, fail, wait", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             EXPECT_TRUE(s.a.transfer(1, s.b, 1));
             EXPECT_TRUE(s.b.transfer(1, s.a, 5));
             s.fail();
             return s.a.wait(5, cb::deadline_in(1s));
         }},
        {"attach, fence, fail, wait for the fence", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             EXPECT_TRUE(s.a.attach(2, s.good));
             const auto fence = s.a.fence(2);
             s.fail();
             return waited(fence);
         }},
        {"attach, fail, fence, wait for the fence", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             s.fail();
             EXPECT_TRUE(s.a.signal(2));
             return waited(s.a.fence(2));
         }},
        {"attach, fence, descriptor to a stranger, fail, the stranger waits", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             auto fence = cb::Fence::from_fd(s.a.fence(1)->export_fd().value());
             s.fail();
             return waited(fence);
         }},
        {"a stranger attaches, fail, wait", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.strangers_a.attach(1, s.bad));
             s.fail();
             return s.a.wait(1, cb::deadline_in(1s));
         }},
        {"a stranger attaches, look, fail, later points, wait", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.strangers_a.attach(1, s.bad));
             look(s.a, 1);
             s.fail();
             EXPECT_TRUE(s.strangers_a.signal(2));
             EXPECT_TRUE(s.strangers_a.signal(3));
             return s.a.wait(1, cb::deadline_in(1s));
         }},
        {"a stranger attaches, look, fail, later points, wait for those", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.strangers_a.attach(1, s.bad));
             look(s.a, 1);
             s.fail();
             EXPECT_TRUE(s.strangers_a.signal(2));
             return s.a.wait(2, cb::deadline_in(1s));
         }},
        {"a stranger attaches, transfer, fail, wait for the other", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.strangers_a.attach(1, s.bad));
             EXPECT_TRUE(s.a.transfer(1, s.b, 1));
             s.fail();
             return s.b.wait(1, cb::deadline_in(1s));
         }},
        {"a stranger attaches, wait for any, fail meanwhile, later points", false,
         [](const Scene& s) {
             EXPECT_TRUE(s.strangers_a.attach(1, s.bad));
             std::thread later([&s] {
                 std::this_thread::sleep_for(20ms);
                 s.fail();
                 EXPECT_TRUE(s.strangers_a.signal(2));
             });
             cb::Status result = any(s.b, s.a);
             later.join();
             return result;
         }},
        {"a stranger attaches, fail, later points, wait", true,
         [](const Scene& s) {
             EXPECT_TRUE(s.strangers_a.attach(1, s.bad));
             s.fail();
             EXPECT_TRUE(s.strangers_a.signal(2));
             return s.a.wait(1, cb::deadline_in(1s));
         }},
        {"attach, fail, later points, a stranger waits", true,
         [](const Scene& s) {
             EXPECT_TRUE(s.a.attach(1, s.bad));
             s.fail();
             EXPECT_TRUE(s.a.signal(2));
             return s.strangers_a.wait(1, cb::deadline_in(1s));
         }},
        {"fail, look, attach, a stranger waits", true,
         [](const Scene& s) {
             s.fail();
             EXPECT_FALSE(s.bad.signalled());
             EXPECT_TRUE(s.a.attach(1, s.bad));
             return s.strangers_a.wait(1, cb::deadline_in(1s));
         }},
    };
    return all;
}

TEST_F(Timelines, AnErrorReachesTheCallerInEveryOrder)
{
    NEED_TIMELINES(drm);
    const cb::UniqueFd second = open_node(drm_path);
    std::cout << "work fails with ENOENT                                             what the caller gets\n";
    for (const Route& route : routes()) {
        NEED_SW_SYNC(work);
        NEED_SW_SYNC(other);
        const Timeline a = Timeline::create(drm.get()).value();
        const Scene scene{a,
                          Timeline::create(drm.get()).value(),
                          Timeline::import(second.get(), a.export_fd().value()).value(),
                          work.fence(1),
                          other.fence(1),
                          [&work, &other] {
                              work.fail();
                              other.advance(1);
                          }};
        const cb::Status result = route.take(scene);
        std::cout << "  " << std::left << std::setw(65) << route.name
                  << (result ? "nothing" : result.error().message().substr(0, 60)) << '\n';
        EXPECT_EQ(result.has_value(), route.lost) << route.name;
        if (!result) {
            EXPECT_EQ(result.error().sys_errno, ENOENT) << route.name << ": " << result.error().message();
            EXPECT_EQ(result.error().category, cb::Category::work_failed) << route.name;
        }
    }
}

} // namespace
