#!/usr/bin/env bash
# Builds the microbenchmarks, runs all of them on this machine's GPUs and writes what they say into a folder, ready for
# `trainyard calibrate`. nvcc alone is enough to build.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: run_all.sh [--quick] [--bin FOLDER] [--only LIST] [OUT]

  OUT            folder for the results [microbench-<host>-<date>]
  --quick        few and small cases: a minute or two rather than a quarter of an hour
  --bin FOLDER   take the programs from there (microbench_gemm …) instead of building them into OUT/bin
  --only LIST    comma-separated programs, such as gemm,memory
  --help         this text

example: run_all.sh --quick /tmp/mine && trainyard calibrate /tmp/mine/*.jsonl /tmp/mine/*.txt -o mine.yaml
TEXT
}

say() { printf 'run_all: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
programs=(launch memory gemm attention elementwise reduction transpose access adam host_copy peer overlap nccl_collectives
  attention_sdpa)
collectives=(all_reduce all_gather reduce_scatter alltoall broadcast sendrecv)
quick=()
bin=""
out=""

parse_arguments() {
  while (($#)); do
    case $1 in
      --help | -h) usage; exit 0 ;;
      --quick) quick=(--quick) ;;
      --bin) (($# > 1)) || die "--bin needs a folder"; bin=$2; shift ;;
      --only) (($# > 1)) || die "--only needs a list"; choose "$2"; shift ;;
      -*) die "unknown option '$1' (--help lists the options)" ;;
      *) [[ -z $out ]] || die "more than one folder: '$out' and '$1'"; out=$1 ;;
    esac
    shift
  done
  [[ -n $out ]] || out="microbench-$(uname -n)-$(date +%Y%m%d-%H%M%S)"
}

choose() {
  local chosen known name
  IFS=, read -r -a chosen <<<"$1"
  for name in "${chosen[@]}"; do
    known=" ${programs[*]} "
    [[ $known == *" $name "* ]] || die "no program '$name'; there are: ${programs[*]}"
  done
  programs=("${chosen[@]}")
}

find_nvcc() {
  local candidate
  for candidate in "${CUDACXX:-}" "$(command -v nvcc || true)" "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" \
    /usr/local/cuda/bin/nvcc /opt/cuda/bin/nvcc; do
    if [[ -n $candidate && -x $candidate ]]; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

# The libraries of one program, and whether overlap goes without NCCL.
build_flags() {
  case $1 in
    gemm | attention) printf '%s\n' -lcublasLt ;;
    nccl_collectives) printf '%s\n' -lnccl ;;
    overlap) printf '%s\n' -lcublasLt; if has_nccl; then echo -lnccl; else echo -DMICROBENCH_WITHOUT_NCCL; fi ;;
  esac
}

has_nccl() { printf '#include <nccl.h>\n' | "$nvcc" -x cu -E - >/dev/null 2>&1; }

build() {
  local program=$1 flags
  mapfile -t flags < <(build_flags "$program")
  say "building $program"
  "$nvcc" -std=c++17 -O3 -lineinfo -arch=native "$here/$program.cu" -o "$bin/microbench_$program" "${flags[@]}" -ldl
}

# Whether the program is there and no source is newer.
is_current() {
  local built=$bin/microbench_$1
  [[ -x $built ]] || return 1
  [[ -z $(find "$here" -newer "$built" \( -name '*.cu' -o -name '*.cuh' -o -name '*.hpp' \) -print -quit) ]]
}

build_all() {
  local program
  nvcc=$(find_nvcc) || die "no nvcc: install the CUDA toolkit, or set CUDACXX, or give --bin"
  mkdir -p -- "$bin"
  for program in "${programs[@]}"; do
    [[ $program == attention_sdpa ]] && continue
    if [[ $program == nccl_collectives ]] && ! has_nccl; then
      say "NCCL is not installed: nccl_collectives skipped"
      continue
    fi
    is_current "$program" || build "$program"
  done
}

# Results appear under their name only when they are complete.
keep() {
  local file=$1
  shift
  say "running $*"
  if "$@" >"$file.part"; then
    if [[ -s $file.part ]]; then mv -f -- "$file.part" "$file"; else rm -f -- "$file.part"; fi
  else
    say "failed with exit code $?: what it wrote is in $file.part"
    failed=1
  fi
}

run_nccl() {
  local collective gpus
  gpus=$(nvidia-smi --list-gpus 2>/dev/null | grep -c '^GPU' || true)
  if ((${gpus:-0} == 1)); then
    say "one GPU: collectives of one rank would measure copies, skipped"
    return
  fi
  for collective in "${collectives[@]}"; do
    keep "$out/nccl_$collective.txt" "$bin/microbench_nccl_collectives" -t "$collective" "${quick[@]}"
  done
}

run_all() {
  local program
  for program in "${programs[@]}"; do
    case $program in
      attention_sdpa)
        if command -v python3 >/dev/null; then
          keep "$out/attention_sdpa.jsonl" python3 "$here/attention_sdpa.py" "${quick[@]}"
        fi
        ;;
      nccl_collectives) [[ ! -x $bin/microbench_nccl_collectives ]] || run_nccl ;;
      *) keep "$out/$program.jsonl" "$bin/microbench_$program" "${quick[@]}" ;;
    esac
  done
}

main() {
  parse_arguments "$@"
  failed=0
  mkdir -p -- "$out"
  if [[ -z $bin ]]; then
    bin=$out/bin
    build_all
  fi
  run_all
  shopt -s nullglob
  local results=("$out"/*.jsonl "$out"/nccl_*.txt)
  ((${#results[@]})) || die "nothing was measured"
  say "now fit a profile to the results:"
  printf 'trainyard calibrate'
  printf ' %q' "${results[@]}"
  printf ' -o mine.yaml\n'
  return "$failed"
}

main "$@"
