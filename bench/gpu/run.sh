#!/usr/bin/env bash
# On the GPU machine: builds every program of the bundle, runs it, runs PyTorch's side, writes one JSON file.
#   bash run.sh RESULT.json [torch.txt]       with a torch.txt of an earlier run, PyTorch runs only the cases that it lacks
set -u
cd "$(dirname "${BASH_SOURCE[0]}")"
result=$1
arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
# PyTorch's own cuDNN, where the system has none.
cudnn=$(python3 -c 'import nvidia.cudnn, os; print(os.path.join(list(nvidia.cudnn.__path__)[0], "lib"))' 2>/dev/null)
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}${cudnn:+:$cudnn}"
nvcc -O2 -std=c++17 -arch="sm_$arch" -o driver driver.cu -lcublas -lcublasLt -ldl || exit 1
start=$(date +%s)
find cases -name '*.cu' | xargs -P "$(nproc)" -I{} sh -c \
  'nvcc -O3 -std=c++17 -fmad=false -diag-suppress 177 -arch=sm_'"$arch"' -shared -Xcompiler -fPIC -o "$(echo {} | sed s/cu$/so/)" {} -lcublas -lcublasLt || echo "not built: {}"'
echo "built $(find cases -name '*.so' | wc -l) programs in $(($(date +%s) - start)) s"
./driver cases/* > ours.txt
echo "ours: $(($(date +%s) - start)) s"
timeout "${TORCH_SECONDS:-200}" python3 torch_gpu.py "${@:2}" > torch.txt 2> torch.err || tail -3 torch.err
echo "torch: $(($(date +%s) - start)) s"
python3 join.py ours.txt torch.txt "$result"
