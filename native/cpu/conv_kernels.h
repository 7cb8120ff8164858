// The per-ISA loops of direct convolution. Positions are tables of element offsets, so that one loop serves every
// kernel size, dilation and number of dimensions: input element of tap t at output pixel q is x[taps[t] + pixels[q]].
// Pixels come in chunks of `chunk` neighbours that lie contiguously in the input and in the output.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

struct ConvForwardBlock {
  const float* x;
  const int64_t* taps;  // count taps, offsets into x
  int64_t count;
  const int64_t* chunks;  // chunkCount offsets of pixel chunks into x
  int64_t chunkCount;
  int64_t lastChunk;  // pixels of the last chunk to write (1..chunk); a whole chunk is read
  const float* w;     // packed: blocks of `rows` output channels, each [tap][rows], padded with zeros
  int64_t channels;   // output channels
  const float* bias;  // or null
  float* y;           // channel o at y + o * ldy, pixels contiguous
  int64_t ldy;
  bool relu;
};

/// dW[o][t] (+)= sum over images and pixels of dy[o][q] * x[taps[t] + pixels[q]].
struct ConvWeightBlock {
  int64_t images;
  const float* x;
  int64_t xImage;  // step from image to image
  const float* dy;
  int64_t dyImage, ldy;
  const int64_t* taps;
  int64_t tapBegin, tapEnd;  // multiples of `taps` of ConvKernels, except the last
  const int64_t* chunks;
  int64_t chunkCount;
  int64_t lastChunk;  // pixels in the last chunk (1..chunk); x may be read beyond them only if lastChunk == chunk
  int64_t channelBegin, channelEnd;
  float* dw;
  int64_t ldw;
};

/// dx plane (height x width) = sum over taps of the shifted planes of `columns` (taps x outHeight x outWidth), unit
/// stride.
struct ConvFoldBlock {
  const float* columns;
  int64_t ldc;  // from tap to tap
  int64_t kernelH, kernelW, dilationH, dilationW, padH, padW;
  int64_t outH, outW, height, width;
  float* dx;
};

struct ConvKernels {
  int64_t chunk;  // pixels per chunk
  int64_t rows;   // output channels per packed weight block
  int64_t taps;   // taps per tile of `weight`
  void (*forward)(const ConvForwardBlock&);
  void (*weight)(const ConvWeightBlock&);
  void (*fold)(const ConvFoldBlock&);
};
FB_DECLARE_ISA(const ConvKernels, convKernels);

inline const ConvKernels& convKernels() {
  static const ConvKernels& k = FB_SELECT_ISA(convKernels);
  return k;
}

}  // namespace flambeau::cpu
