// fft: the two reorderings of spectra; transforms need complex numbers.
// Source: https://pytorch.org/docs/stable/fft.html
export * from '../generated/ts/fft.js';
