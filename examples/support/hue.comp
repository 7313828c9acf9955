// SPDX-License-Identifier: MIT
//
// Turns the hue of a camera's picture, makes RGB of it (BT.601, narrow range) and draws the
// frame's number. In whole numbers, so that hue_reference.cpp can say what comes out.
#version 450
#extension GL_EXT_samplerless_texture_functions : require

layout(local_size_x = 16, local_size_y = 16) in;

layout(set = 0, binding = 0) uniform texture2D luma;
layout(set = 0, binding = 1) uniform texture2D chroma;
layout(set = 0, binding = 2) uniform writeonly image2D picture;

layout(push_constant) uniform Turn
{
    ivec2 size;
    ivec2 subsampling; // pixels for each chroma sample
    int cosine;        // in 1/4096
    int sine;
    int number;
};

// Three by five dots each, the first row in the highest bits.
const int glyphs[10] =
    int[](0x7B6F, 0x2C97, 0x73E7, 0x73CF, 0x5BC9, 0x79CF, 0x79EF, 0x7292, 0x7BEF, 0x7BCF);
const int dot = 8;
const int margin = 16;
const int places = 6;

bool is_ink(ivec2 at)
{
    const ivec2 cell = at - margin;
    if (cell.x < 0 || cell.y < 0 || cell.x >= places * 4 * dot || cell.y >= 5 * dot)
        return false;
    const int place = cell.x / (4 * dot);
    const int column = cell.x / dot - place * 4;
    if (column == 3)
        return false;
    int rest = number;
    for (int i = place; i < places - 1; ++i)
        rest /= 10;
    return (glyphs[rest % 10] >> (14 - (cell.y / dot) * 3 - column) & 1) != 0;
}

int whole(float channel) { return int(channel * 255.0 + 0.5); }

void main()
{
    const ivec2 at = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(at, size)))
        return;
    const int y = whole(texelFetch(luma, at, 0).r) - 16;
    const vec2 colour = texelFetch(chroma, at / subsampling, 0).rg;
    const int u = whole(colour.r) - 128;
    const int v = whole(colour.g) - 128;
    const int turned_u = (u * cosine - v * sine + 2048) >> 12;
    const int turned_v = (u * sine + v * cosine + 2048) >> 12;
    ivec3 rgb = ivec3(298 * y + 409 * turned_v + 128, 298 * y - 100 * turned_u - 208 * turned_v + 128,
                      298 * y + 516 * turned_u + 128) >> 8;
    rgb = clamp(rgb, 0, 255);
    if (is_ink(at))
        rgb = ivec3(255);
    imageStore(picture, at, vec4(vec3(rgb) / 255.0, 1.0));
}
