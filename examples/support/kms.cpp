// SPDX-License-Identifier: MIT
#include "kms.hpp"

#include <xf86drm.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace kms {
namespace {

using cb::Category;
using cb::Error;
using cb::fail;

tl::unexpected<Error> failed(int error, std::string operation, std::string detail = {}, std::string advice = {})
{
    const Category category = error == EACCES || error == EPERM ? Category::permission_denied
                              : error == EBUSY                  ? Category::busy
                              : error == ENODEV                 ? Category::device_lost
                                                                : Category::kernel_failure;
    return fail(Error{category, error, std::move(operation), std::move(detail), std::move(advice), nullptr});
}

template <auto Free>
struct Freer {
    template <typename T>
    void operator()(T* object) const
    {
        Free(object);
    }
};
using Resources = std::unique_ptr<drmModeRes, Freer<drmModeFreeResources>>;
using Connector = std::unique_ptr<drmModeConnector, Freer<drmModeFreeConnector>>;
using Encoder = std::unique_ptr<drmModeEncoder, Freer<drmModeFreeEncoder>>;
using Planes = std::unique_ptr<drmModePlaneRes, Freer<drmModeFreePlaneResources>>;
using Plane = std::unique_ptr<drmModePlane, Freer<drmModeFreePlane>>;
using ObjectProperties = std::unique_ptr<drmModeObjectProperties, Freer<drmModeFreeObjectProperties>>;
using Property = std::unique_ptr<drmModePropertyRes, Freer<drmModeFreeProperty>>;
using Request = std::unique_ptr<drmModeAtomicReq, Freer<drmModeAtomicFree>>;

std::string name_of(const drmModeConnector& connector)
{
    const char* type = drmModeGetConnectorTypeName(connector.connector_type);
    return (type != nullptr ? type : "Unknown") + std::string("-") + std::to_string(connector.connector_type_id);
}

/// The ids of an object's properties, and with `values` what they are.
Properties properties_of(int fd, std::uint32_t object, std::uint32_t type,
                         std::map<std::string, std::uint64_t>* values = nullptr)
{
    Properties result;
    const ObjectProperties all(drmModeObjectGetProperties(fd, object, type));
    for (std::uint32_t i = 0; all != nullptr && i < all->count_props; ++i) {
        const Property property(drmModeGetProperty(fd, all->props[i]));
        if (property == nullptr)
            continue;
        result[property->name] = property->prop_id;
        if (values != nullptr)
            (*values)[property->name] = all->prop_values[i];
    }
    return result;
}

} // namespace

Display::Display(Display&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      active_(other.active_),
      connector_name_(std::move(other.connector_name_)),
      mode_(other.mode_),
      mode_blob_(other.mode_blob_),
      connector_(other.connector_),
      crtc_(other.crtc_),
      crtc_index_(other.crtc_index_),
      plane_(other.plane_),
      writeback_(other.writeback_),
      connector_properties_(std::move(other.connector_properties_)),
      crtc_properties_(std::move(other.crtc_properties_)),
      plane_properties_(std::move(other.plane_properties_)),
      writeback_properties_(std::move(other.writeback_properties_))
{}

Display::~Display()
{
    if (fd_ < 0)
        return;
    if (active_) {
        const Request request(drmModeAtomicAlloc());
        drmModeAtomicAddProperty(request.get(), crtc_, crtc_properties_["ACTIVE"], 0);
        drmModeAtomicAddProperty(request.get(), crtc_, crtc_properties_["MODE_ID"], 0);
        drmModeAtomicAddProperty(request.get(), connector_, connector_properties_["CRTC_ID"], 0);
        drmModeAtomicAddProperty(request.get(), plane_, plane_properties_["CRTC_ID"], 0);
        drmModeAtomicAddProperty(request.get(), plane_, plane_properties_["FB_ID"], 0);
        if (writeback_ != 0)
            drmModeAtomicAddProperty(request.get(), writeback_, writeback_properties_["CRTC_ID"], 0);
        drmModeAtomicCommit(fd_, request.get(), DRM_MODE_ATOMIC_ALLOW_MODESET, nullptr);
    }
    if (mode_blob_ != 0)
        drmModeDestroyPropertyBlob(fd_, mode_blob_);
    drmDropMaster(fd_);
}

cb::Result<Display> Display::create(const cb::drm::Device& device, const std::string& connector, std::uint32_t width,
                                    std::uint32_t height)
{
    const std::string& path = device.info().path;
    Display display(device.fd());
    if (drmSetMaster(device.fd()) != 0) {
        const int error = errno;
        display.fd_ = -1;
        return failed(error, "become DRM master of " + path, "another program sets modes on this card",
                      "stop the compositor, or run from a virtual terminal");
    }
    if (drmSetClientCap(device.fd(), DRM_CLIENT_CAP_ATOMIC, 1) != 0)
        return failed(errno, "DRM_CLIENT_CAP_ATOMIC on " + path, "the driver has no atomic modesetting");
    // Without it the kernel hides writeback connectors; a card without any refuses.
    drmSetClientCap(device.fd(), DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1);
    if (const auto chosen = display.choose_connector(connector, width, height); !chosen)
        return fail(chosen.error());
    if (const auto chosen = display.choose_plane(); !chosen)
        return fail(chosen.error());
    display.choose_writeback();
    if (drmModeCreatePropertyBlob(display.fd_, &display.mode_, sizeof display.mode_, &display.mode_blob_) != 0)
        return failed(errno, "DRM_IOCTL_MODE_CREATEPROPBLOB on " + path);
    return display;
}

cb::Status Display::choose_connector(const std::string& name, std::uint32_t width, std::uint32_t height)
{
    const Resources resources(drmModeGetResources(fd_));
    if (resources == nullptr)
        return failed(errno, "DRM_IOCTL_MODE_GETRESOURCES", "the card has no displays");
    std::string seen;
    for (int i = 0; i < resources->count_connectors; ++i) {
        const Connector connector(drmModeGetConnector(fd_, resources->connectors[i]));
        if (connector == nullptr || connector->connector_type == DRM_MODE_CONNECTOR_WRITEBACK)
            continue;
        const std::string own = name_of(*connector);
        seen += (seen.empty() ? "" : ", ") + own;
        if (name.empty() ? connector->connection != DRM_MODE_CONNECTED : own != name)
            continue;
        for (int m = 0; m < connector->count_modes && connector_ == 0; ++m) {
            if (connector->modes[m].hdisplay == width && connector->modes[m].vdisplay == height) {
                mode_ = connector->modes[m];
                connector_ = connector->connector_id;
                connector_name_ = own;
            }
        }
        if (connector_ == 0)
            return fail(Category::unsupported, "find a mode on " + own,
                        "it has no mode of " + std::to_string(width) + "x" + std::to_string(height));
        std::uint32_t possible = 0;
        for (int e = 0; e < connector->count_encoders; ++e) {
            const Encoder encoder(drmModeGetEncoder(fd_, connector->encoders[e]));
            possible |= encoder != nullptr ? encoder->possible_crtcs : 0;
        }
        for (unsigned c = 0; c < static_cast<unsigned>(resources->count_crtcs); ++c) {
            if ((possible >> c & 1U) != 0) {
                crtc_ = resources->crtcs[c];
                crtc_index_ = c;
                connector_properties_ = properties_of(fd_, connector_, DRM_MODE_OBJECT_CONNECTOR);
                crtc_properties_ = properties_of(fd_, crtc_, DRM_MODE_OBJECT_CRTC);
                return {};
            }
        }
        return fail(Category::unsupported, "find a CRTC for " + own, "none can drive it");
    }
    return fail(Category::not_present, name.empty() ? "find a display" : "find the connector " + name,
                "no such connector is connected; the card has " + (seen.empty() ? "none" : seen));
}

cb::Status Display::choose_plane()
{
    const Planes planes(drmModeGetPlaneResources(fd_));
    for (std::uint32_t i = 0; planes != nullptr && i < planes->count_planes; ++i) {
        const Plane plane(drmModeGetPlane(fd_, planes->planes[i]));
        if (plane == nullptr || (plane->possible_crtcs >> crtc_index_ & 1U) == 0)
            continue;
        std::map<std::string, std::uint64_t> values;
        Properties properties = properties_of(fd_, plane->plane_id, DRM_MODE_OBJECT_PLANE, &values);
        if (values["type"] != DRM_PLANE_TYPE_PRIMARY)
            continue;
        plane_ = plane->plane_id;
        plane_properties_ = std::move(properties);
        return {};
    }
    return fail(Category::unsupported, "find a primary plane", "the CRTC has none");
}

void Display::choose_writeback()
{
    const Resources resources(drmModeGetResources(fd_));
    for (int i = 0; resources != nullptr && i < resources->count_connectors; ++i) {
        const Connector connector(drmModeGetConnector(fd_, resources->connectors[i]));
        if (connector == nullptr || connector->connector_type != DRM_MODE_CONNECTOR_WRITEBACK)
            continue;
        for (int e = 0; e < connector->count_encoders; ++e) {
            const Encoder encoder(drmModeGetEncoder(fd_, connector->encoders[e]));
            if (encoder != nullptr && (encoder->possible_crtcs >> crtc_index_ & 1U) != 0) {
                writeback_ = connector->connector_id;
                writeback_properties_ = properties_of(fd_, writeback_, DRM_MODE_OBJECT_CONNECTOR);
                return;
            }
        }
    }
}

cb::Result<Display::Fences> Display::show(std::uint32_t framebuffer, std::uint32_t writeback, const cb::Fence& ready)
{
    // Nothing to wait for is -1, and means the same to the kernel.
    const auto in_fence = ready.fd();
    if (!in_fence)
        return fail(in_fence.error());
    const Request request(drmModeAtomicAlloc());
    const auto set = [&](std::uint32_t object, Properties& properties, const char* name, std::uint64_t value) {
        drmModeAtomicAddProperty(request.get(), object, properties[name], value);
    };
    std::uint32_t flags = DRM_MODE_ATOMIC_NONBLOCK;
    if (!active_) {
        constexpr unsigned fraction = 16; // SRC_* are 16.16 fixed point
        flags |= DRM_MODE_ATOMIC_ALLOW_MODESET;
        set(connector_, connector_properties_, "CRTC_ID", crtc_);
        if (writeback_ != 0)
            set(writeback_, writeback_properties_, "CRTC_ID", crtc_);
        set(crtc_, crtc_properties_, "MODE_ID", mode_blob_);
        set(crtc_, crtc_properties_, "ACTIVE", 1);
        set(plane_, plane_properties_, "CRTC_ID", crtc_);
        set(plane_, plane_properties_, "SRC_X", 0);
        set(plane_, plane_properties_, "SRC_Y", 0);
        set(plane_, plane_properties_, "SRC_W", std::uint64_t{mode_.hdisplay} << fraction);
        set(plane_, plane_properties_, "SRC_H", std::uint64_t{mode_.vdisplay} << fraction);
        set(plane_, plane_properties_, "CRTC_X", 0);
        set(plane_, plane_properties_, "CRTC_Y", 0);
        set(plane_, plane_properties_, "CRTC_W", mode_.hdisplay);
        set(plane_, plane_properties_, "CRTC_H", mode_.vdisplay);
    }
    int shown = -1;
    int written = -1;
    set(plane_, plane_properties_, "FB_ID", framebuffer);
    set(plane_, plane_properties_, "IN_FENCE_FD", static_cast<std::uint64_t>(std::int64_t{*in_fence}));
    set(crtc_, crtc_properties_, "OUT_FENCE_PTR", reinterpret_cast<std::uintptr_t>(&shown));
    if (writeback != 0) {
        set(writeback_, writeback_properties_, "WRITEBACK_FB_ID", writeback);
        set(writeback_, writeback_properties_, "WRITEBACK_OUT_FENCE_PTR", reinterpret_cast<std::uintptr_t>(&written));
    }
    if (drmModeAtomicCommit(fd_, request.get(), flags, nullptr) != 0)
        return failed(errno, "DRM_IOCTL_MODE_ATOMIC", "the card does not show the frame");
    active_ = true;
    auto on_screen = cb::Fence::from_fd(cb::UniqueFd(shown));
    auto complete = cb::Fence::from_fd(cb::UniqueFd(written));
    if (!on_screen || !complete)
        return fail((on_screen ? complete : on_screen).error());
    return Fences{std::move(*on_screen), std::move(*complete)};
}

} // namespace kms
