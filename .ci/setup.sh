#!/usr/bin/env bash
# Sets everything up: system packages (only what is missing, only where we may install), npm packages, the native core, the
# TypeScript build. Safe to run again; what is up to date is not built twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A C++20 compiler and CMake are needed to build; the others make it faster (oneDNN: matrix products and convolution;
# LAPACK: factorisations, without which most of linalg throws).
packages=()
command -v g++ >/dev/null || packages+=(g++)
command -v make >/dev/null || packages+=(make)
command -v cmake >/dev/null || packages+=(cmake)
command -v ninja >/dev/null || packages+=(ninja-build)
command -v ccache >/dev/null || packages+=(ccache)
command -v clang-format >/dev/null || packages+=(clang-format)
[ -e /usr/include/dnnl.hpp ] || [ -e /usr/include/oneapi/dnnl/dnnl.hpp ] || packages+=(libdnnl-dev)
ls /usr/lib/*/lapack/liblapack.so >/dev/null 2>&1 || packages+=(liblapack-dev)

if [ ${#packages[@]} -gt 0 ] && command -v apt-get >/dev/null; then
  sudo=""
  if [ "$(id -u)" -ne 0 ]; then sudo="sudo -n"; fi
  if [ -z "$sudo" ] || $sudo true 2>/dev/null; then
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${packages[@]}"
  else
    echo "setup: missing system packages (no rights to install them): ${packages[*]}" >&2
  fi
fi

# onnxruntime-node would download GPU libraries in its install step; the package as it is serves the CPU.
export ONNXRUNTIME_NODE_INSTALL=skip
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund
fi
npm run -s build
