// SPDX-License-Identifier: MIT
//
// Samples a texture, one pixel for one pixel. That it is YCbCr the sampler knows alone.
#version 450

layout(local_size_x = 16, local_size_y = 16) in;

layout(set = 0, binding = 0) uniform sampler2D camera;
layout(set = 0, binding = 1) uniform writeonly image2D picture;

void main()
{
    const ivec2 at = ivec2(gl_GlobalInvocationID.xy);
    const ivec2 size = imageSize(picture);
    if (any(greaterThanEqual(at, size)))
        return;
    imageStore(picture, at, vec4(textureLod(camera, (vec2(at) + 0.5) / vec2(size), 0.0).rgb, 1.0));
}
