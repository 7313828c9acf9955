// SPDX-License-Identifier: MIT
//
// Both queues of one file handle. The calls come in the order of the kernel's dev-encoder.rst
// and dev-decoder.rst:
//
//   encoder    S_FMT capture (which codec), S_FMT output (resets the size of what comes out),
//              G_FMT capture, slots on both
//   decoder    S_FMT output, slots; the stream says the rest: source change, S_FMT capture, slots
//   converter  S_FMT output, S_FMT capture, slots
#include "backends/v4l2/format.hpp"
#include "backends/v4l2/selection.hpp"
#include "backends/v4l2/slot_table.hpp"
#include "format/twins.hpp"
#include "os/os.hpp"
#include "base/text.hpp"

#include <commonbuf/v4l2/m2m.hpp>

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace commonbuf::v4l2 {

struct M2m::State {
    Device device;
    std::shared_ptr<Node> node;
    Kind kind = Kind::converter;
    std::optional<Queue> output;
    std::optional<Queue> capture;
    bool hears_changes = false; ///< the event is subscribed
    bool wants_drain = false;   ///< the command is not sent yet
    bool draining = false;
    bool wants_flush = false; ///< the command is not sent yet

    State(const Device& of, std::shared_ptr<Node> its_node) : device(of), node(std::move(its_node))
    {
        if (node->info().encodes)
            kind = Kind::encoder;
        else if (node->info().decodes)
            kind = Kind::decoder;
    }

    std::optional<Queue>& side(Role role) noexcept { return role == Role::output ? output : capture; }

    Status keep(Role role, Result<Queue> made)
    {
        if (!made)
            return made.error();
        side(role).emplace(std::move(*made));
        return {};
    }

    Status open(Role role, const Layout& layout, std::uint32_t slots)
    {
        side(role).reset();
        return keep(role, device.open_queue(role, layout, slots));
    }

    /// What a side is set to now. Errors: unsupported (it is not what was asked for).
    Result<Answer> format_of(Role role, const Layout& layout) const
    {
        const auto format = current_format(*node, role);
        if (!format)
            return format.error();
        const Answer answer = from_v4l2(*format);
        if (const Status same = same_image(*node, role, layout, answer, "VIDIOC_G_FMT"); !same)
            return same.error();
        return answer;
    }

    /// Decoders report when the stream changes. Stateless ones, which need every frame described
    /// by the program, have no such event.
    Status hear_changes()
    {
        if (kind != Kind::decoder || hears_changes)
            return {};
        v4l2_event_subscription subscription{};
        subscription.type = V4L2_EVENT_SOURCE_CHANGE;
        const int error = node->ioctl(VIDIOC_SUBSCRIBE_EVENT, &subscription);
        if (error != 0 && error != EINVAL && error != ENOTTY)
            return node->failed(error, "VIDIOC_SUBSCRIBE_EVENT");
        hears_changes = error == 0;
        return {};
    }

    /// Sends V4L2_DEC_CMD_START, STOP or FLUSH. An encoder's START and STOP have the same numbers.
    Status command(std::uint32_t which) const
    {
        static_assert(V4L2_ENC_CMD_START == V4L2_DEC_CMD_START && V4L2_ENC_CMD_STOP == V4L2_DEC_CMD_STOP);
        v4l2_encoder_cmd encoder{};
        encoder.cmd = which;
        v4l2_decoder_cmd decoder{};
        decoder.cmd = which;
        const bool encodes = kind == Kind::encoder;
        const int error =
            encodes ? node->ioctl(VIDIOC_ENCODER_CMD, &encoder) : node->ioctl(VIDIOC_DECODER_CMD, &decoder);
        if (error == 0)
            return {};
        Error failure = node->failed(error, encodes ? "VIDIOC_ENCODER_CMD" : "VIDIOC_DECODER_CMD");
        // EINVAL: it knows only other commands, as stateless decoders do.
        if (error == ENOTTY || error == EINVAL) {
            failure.category = Category::unsupported;
            failure.detail = error == ENOTTY ? "it holds no frames back" : "it does not know the command";
            failure.advice = "it is done when as many frames came out as went in";
        }
        return failure;
    }

    /// Sends the commands that are wanted when everything that comes before them is with the device.
    Status send_commands()
    {
        if (output && output->waiting() > 0)
            return {};
        if (std::exchange(wants_drain, false)) {
            Status sent = command(V4L2_DEC_CMD_STOP);
            draining = sent.has_value();
            if (!sent)
                return sent;
        }
        return std::exchange(wants_flush, false) ? command(V4L2_DEC_CMD_FLUSH) : Status();
    }

    std::uint32_t min_capture_buffers() const
    {
        v4l2_control control{};
        control.id = V4L2_CID_MIN_BUFFERS_FOR_CAPTURE;
        if (node->ioctl(VIDIOC_G_CTRL, &control) != 0 || control.value < 1)
            return 1;
        return static_cast<std::uint32_t>(control.value);
    }

    Result<SourceChange> source() const
    {
        const auto format = current_format(*node, Role::capture);
        if (!format)
            return format.error();
        const Answer answer = from_v4l2(*format);
        // Displays and GPUs know tiles by a modifier, not by V4L2's code.
        const TiledTwin* twin = tiled_twin(answer.fourcc);
        SourceChange change{answer.width,
                            answer.height,
                            answer.width,
                            answer.height,
                            twin != nullptr ? twin->drm.format : Format::v4l2(answer.fourcc),
                            min_capture_buffers()};
        const auto visible = get_selection(*node, Role::capture, V4L2_SEL_TGT_COMPOSE);
        // The visible part lies within the coded one; otherwise the driver is not believed.
        if (visible && visible->width != 0 && visible->height != 0 && visible->width <= answer.width &&
            visible->height <= answer.height) {
            change.width = visible->width;
            change.height = visible->height;
        }
        return change;
    }
};

M2m::M2m(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
M2m::M2m(M2m&&) noexcept = default;
M2m& M2m::operator=(M2m&&) noexcept = default;
M2m::~M2m() = default;

Result<M2m> M2m::open(std::string_view target) { return Device::open(target).and_then(create); }

Result<M2m> M2m::create(const Device& device)
{
    const NodeInfo& info = device.info();
    if (!info.memory_to_memory || !info.streaming)
        return Error::invalid_argument("open a memory-to-memory device",
                                       text::format("{} ({}) is not one", info.path, info.name),
                                       "run allocinfo devices to list those of this machine");
    return M2m(std::make_unique<State>(device, device.node_));
}

M2m::Kind M2m::kind() const noexcept { return state_->kind; }
const Device& M2m::device() const noexcept { return state_->device; }
Use M2m::output() const { return state_->device.output(); }
Use M2m::capture() const { return state_->device.capture(); }

Status M2m::open_queues(const Layout& output, const Layout& capture, std::uint32_t slots)
{
    State& state = *state_;
    state.output.reset();
    state.capture.reset();
    const Node& node = *state.node;
    if (Status can = check_opening(node, Role::output, output, slots); !can)
        return can;
    if (Status can = check_opening(node, Role::capture, capture, slots); !can)
        return can;
    const bool encodes = state.kind == Kind::encoder;
    // Choosing the codec may reset what the pictures were said to be.
    const auto colours = colours_to_set(node, Role::output);
    if (encodes) {
        if (const auto codec = set_format(node, Role::capture, capture); !codec)
            return codec.error();
    }
    const auto in = set_format(node, Role::output, output, colours);
    if (!in)
        return in.error();
    const auto out = encodes ? state.format_of(Role::capture, capture) : set_format(node, Role::capture, capture);
    if (!out)
        return out.error();
    if (Status heard = state.hear_changes(); !heard)
        return heard;
    if (Status made = state.keep(Role::output, Queue::make(state.node, Role::output, output, *in, slots, false)); !made)
        return made;
    return state.keep(Role::capture, Queue::make(state.node, Role::capture, capture, *out, slots, false));
}

Status M2m::open_output(const Layout& layout, std::uint32_t slots)
{
    if (Status heard = state_->hear_changes(); !heard)
        return heard;
    return state_->open(Role::output, layout, slots);
}

Status M2m::open_capture(const Layout& layout, std::uint32_t slots)
{
    return state_->open(Role::capture, layout, slots);
}

void M2m::close_capture() { state_->capture.reset(); }

Queue* M2m::output_queue() noexcept { return state_->output ? &*state_->output : nullptr; }
Queue* M2m::capture_queue() noexcept { return state_->capture ? &*state_->capture : nullptr; }

Status M2m::start()
{
    for (auto* side : {&state_->output, &state_->capture}) {
        if (!*side || (*side)->streaming())
            continue;
        if (Status started = (*side)->start(); !started)
            return started;
    }
    return {};
}

Status M2m::stop()
{
    Status first;
    for (auto* side : {&state_->output, &state_->capture}) {
        if (!*side)
            continue;
        if (Status stopped = (*side)->stop(); !stopped && first)
            first = stopped;
    }
    state_->wants_drain = false;
    state_->wants_flush = false;
    state_->draining = false;
    return first;
}

Status M2m::drain()
{
    if (state_->kind == Kind::converter)
        return Error::unsupported(state_->node->trying("drain a converter"), "it holds no frames back",
                                  "it is done when as many frames came out as went in");
    state_->wants_drain = true;
    return state_->send_commands();
}

Status M2m::flush()
{
    const State& state = *state_;
    if (state.kind != Kind::decoder || !state.output || !state.output->supports_hold_capture())
        return Error::unsupported(
            state.node->trying("flush a codec"),
            "it holds no picture for further slices (V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF)");
    state_->wants_flush = true;
    return state_->send_commands();
}

bool M2m::draining() const noexcept
{
    return state_->wants_drain || (state_->draining && !(state_->capture && state_->capture->ended()));
}

Status M2m::resume()
{
    if (draining() || !state_->capture || !state_->capture->ended())
        return Error::invalid_state(state_->node->trying("resume a codec"), "the last frame has not come",
                                    "drain(), and dequeue until Frame::last()");
    if (Status sent = state_->command(V4L2_DEC_CMD_START); !sent)
        return sent;
    state_->draining = false;
    return state_->capture->resume(!state_->output || state_->output->with_device() == 0);
}

int M2m::poll_fd() const noexcept { return state_->node->fd(); }

short M2m::poll_events() const noexcept
{
    const State& state = *state_;
    int events = state.hears_changes ? POLLPRI : 0;
    if (state.output && state.output->streaming() && state.output->with_device() > 0)
        events |= POLLOUT;
    // After the last frame the kernel would report the end of the queue again and again.
    if (state.capture && state.capture->streaming() && state.capture->with_device() > 0 && !state.capture->ended())
        events |= POLLIN;
    return static_cast<short>(events);
}

Result<std::size_t> M2m::advance()
{
    State& state = *state_;
    std::size_t given = 0;
    for (auto* side : {&state.output, &state.capture}) {
        if (!*side)
            continue;
        const auto count = (*side)->advance();
        if (!count)
            return count.error();
        given += *count;
    }
    if (const Status sent = state.send_commands(); !sent)
        return sent.error();
    return given;
}

Result<bool> M2m::wait(Deadline deadline)
{
    const State& state = *state_;
    const short events = poll_events();
    std::array<pollfd, 3> entries{{{events != 0 ? poll_fd() : -1, events, 0},
                                   {state.output ? state.output->poll_fd() : -1, POLLIN, 0},
                                   {state.capture ? state.capture->poll_fd() : -1, POLLIN, 0}}};
    if (std::ranges::all_of(entries, [](const pollfd& entry) { return entry.fd < 0; }))
        return Error::invalid_state(state.node->trying("wait for a codec"),
                                    "no buffer is with the device, and none waits for a fence", "queue one first");
    return os::wait_any(entries, deadline, state.node->info().path);
}

Result<std::optional<SourceChange>> M2m::pop_source_change()
{
    const State& state = *state_;
    bool changed = false;
    while (state.hears_changes) {
        v4l2_event event{};
        const int error = state.node->ioctl(VIDIOC_DQEVENT, &event);
        if (error == ENOENT || error == EAGAIN)
            break;
        if (error != 0)
            return state.node->failed(error, "VIDIOC_DQEVENT");
        changed = changed || (event.type == V4L2_EVENT_SOURCE_CHANGE &&
                              (event.u.src_change.changes & V4L2_EVENT_SRC_CH_RESOLUTION) != 0);
    }
    if (!changed)
        return std::nullopt;
    return state.source();
}

} // namespace commonbuf::v4l2
