#!/usr/bin/env python3
"""Times PyTorch's scaled_dot_product_attention, forward and backward, by backend.

Output: the same JSON Lines as the compiled microbenchmarks: an "environment" record, one "attention" record per
measurement, an "end" record. Messages go to stderr.

FLOPs count the two matrix products of the forward pass, 4 b s^2 a d, half of it under a causal mask; the backward pass
counts 2.5 times as much (five products instead of two: FlashAttention-2, Dao 2023, section 4.1).

Exit codes: 0 measured, or torch is not installed (skipped); 1 no CUDA device or a wrong result; 2 wrong arguments.
"""

import argparse
import datetime
import json
import math
import statistics
import sys
import time

BACKENDS = ("flash", "cudnn", "efficient", "math")
DTYPES = ("bf16", "fp16")
BACKWARD_OVER_FORWARD = 2.5
WANTED_NOISE = 0.01  # relative standard error of the mean at which sampling ends
MIN_SAMPLES = 10


class Output:
    """Prints records and counts the measurements."""

    def __init__(self):
        self.measurements = 0
        self.not_verified = 0

    def line(self, record):
        print(json.dumps(record, allow_nan=False), flush=True)

    def measurement(self, record):
        self.line(record)
        self.measurements += 1
        self.not_verified += 0 if record["verified"] else 1


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def positive_list(text):
    return [positive(item) for item in text.split(",")]


def word_list(allowed):
    def parse(text):
        words = text.split(",")
        for word in words:
            if word not in allowed:
                raise argparse.ArgumentTypeError(f"'{word}' is none of: {', '.join(allowed)}")
        return words

    return parse


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Times PyTorch's scaled_dot_product_attention by backend.",
        epilog="example: attention_sdpa.py --heads 64 --kv-heads 8 --lengths 4096,8192",
    )
    parser.add_argument("--batch", type=positive, default=1)
    parser.add_argument("--heads", type=positive, default=32)
    parser.add_argument("--kv-heads", type=positive, default=8, help="fewer than --heads: grouped queries")
    parser.add_argument("--head-dim", type=positive, default=128)
    parser.add_argument("--lengths", type=positive_list, default=None, help="sequence lengths [1024,2048,4096,8192]")
    parser.add_argument("--dtypes", type=word_list(DTYPES), default=["bf16"])
    parser.add_argument("--backends", type=word_list(BACKENDS), default=list(BACKENDS))
    parser.add_argument("--device", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few and short measurements")
    arguments = parser.parse_args()
    if arguments.heads % arguments.kv_heads != 0:
        parser.error("--heads must be a multiple of --kv-heads")
    if arguments.device < 0:
        parser.error("--device must not be negative")
    if arguments.lengths is None:
        arguments.lengths = [1024, 2048] if arguments.quick else [1024, 2048, 4096, 8192]
    arguments.max_seconds = 0.2 if arguments.quick else 2.0
    return arguments


def import_torch():
    """The module, or the end of the program with exit code 0 where it is not installed."""
    try:
        import torch
    except ImportError:
        print("attention_sdpa: torch is not installed: skipped", file=sys.stderr)
        sys.exit(0)
    return torch


def require_device(torch, index):
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        print("attention_sdpa: no CUDA device", file=sys.stderr)
        sys.exit(1)
    if index >= count:
        print(f"--device: {index} is not in 0 … {count - 1}", file=sys.stderr)
        sys.exit(2)
    torch.cuda.set_device(index)


def environment(torch, index):
    properties = torch.cuda.get_device_properties(index)
    record = {
        "record": "environment",
        "format": 1,
        "program": "attention_sdpa",
        "device": properties.name,
        "device_index": index,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": properties.total_memory,
    }
    if hasattr(properties, "L2_cache_size"):
        record["l2_bytes"] = properties.L2_cache_size
    if torch.version.cuda:
        record["cuda_runtime"] = torch.version.cuda
    record["torch"] = torch.__version__
    if torch.backends.cudnn.is_available():
        record["cudnn"] = str(torch.backends.cudnn.version())
    record["date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return record


def sdpa_backend(name):
    """The context in which only this backend may be chosen; None where this torch does not have it."""
    from torch.nn import attention

    names = {"flash": "FLASH_ATTENTION", "cudnn": "CUDNN_ATTENTION", "efficient": "EFFICIENT_ATTENTION", "math": "MATH"}
    backend = getattr(attention.SDPBackend, names[name], None)
    return None if backend is None else attention.sdpa_kernel(backend)


class Case:
    """The operands of one shape. Fewer key-value heads are shared by groups of queries; not every backend can."""

    def __init__(self, torch, arguments, length, dtype, causal):
        self.torch = torch
        self.batch, self.heads, self.kv_heads = arguments.batch, arguments.heads, arguments.kv_heads
        self.length, self.head_dim, self.causal, self.dtype = length, arguments.head_dim, causal, dtype
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
        generator = torch.Generator(device="cuda").manual_seed(length)

        def random(heads):
            shape = (self.batch, heads, length, self.head_dim)
            return torch.randn(shape, device="cuda", dtype=kind, generator=generator)

        self.query = random(self.heads).requires_grad_()
        self.key = random(self.kv_heads).requires_grad_()
        self.value = random(self.kv_heads).requires_grad_()
        self.gradient = random(self.heads)

    def forward(self):
        options = {"is_causal": self.causal}
        if self.kv_heads != self.heads:
            options["enable_gqa"] = True
        return self.torch.nn.functional.scaled_dot_product_attention(self.query, self.key, self.value, **options)

    def inputs(self):
        return (self.query, self.key, self.value)

    def flops(self, direction):
        forward = 4.0 * self.batch * self.length**2 * self.heads * self.head_dim * (0.5 if self.causal else 1.0)
        return forward * (BACKWARD_OVER_FORWARD if direction == "backward" else 1.0)


def reference_rows(case, rows):
    """Attention of a few query rows of the first sequence in double precision: [heads, rows, head_dim]."""
    torch = case.torch
    repeats = case.heads // case.kv_heads
    query = case.query[0][:, rows].double()
    key = case.key[0].double().repeat_interleave(repeats, dim=0)
    value = case.value[0].double().repeat_interleave(repeats, dim=0)
    scores = query @ key.transpose(-1, -2) / math.sqrt(case.head_dim)
    if case.causal:
        columns = torch.arange(case.length, device="cuda")
        scores = scores.masked_fill(columns[None, :] > rows[:, None], -math.inf)
    return torch.softmax(scores, dim=-1) @ value


def verify_forward(case, result):
    """(error, verified): largest error over the largest value; probabilities and output are each rounded to dtype."""
    torch = case.torch
    rows = torch.unique(torch.linspace(0, case.length - 1, 8, device="cuda").long())
    with torch.no_grad():
        expected = reference_rows(case, rows)
        error = ((result[0][:, rows].double() - expected).abs().max() / expected.abs().max()).item()
        finite = bool(torch.isfinite(result).all().item())
    tolerance = 4 * (2.0**-9 if case.dtype == "bf16" else 2.0**-11)
    verified = finite and math.isfinite(error) and error <= tolerance
    return (error if math.isfinite(error) else 1e300), verified


def value_gradient_reference(case):
    """d(value) of the first key-value head of the first sequence in double precision, P^T dO summed over its queries."""
    torch = case.torch
    repeats = case.heads // case.kv_heads
    query, key = case.query[0][:repeats].double(), case.key[0][0].double()
    total = torch.zeros(case.length, case.head_dim, device="cuda", dtype=torch.float64)
    for head in range(repeats):
        scores = query[head] @ key.transpose(-1, -2) / math.sqrt(case.head_dim)
        if case.causal:
            scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf)
        total += torch.softmax(scores, dim=-1).transpose(-1, -2) @ case.gradient[0][head].double()
    return total


def verify_backward(case, gradients):
    torch = case.torch
    with torch.no_grad():
        expected = value_gradient_reference(case)
        error = ((gradients[2][0][0].double() - expected).abs().max() / expected.abs().max()).item()
        finite = all(bool(torch.isfinite(gradient).all().item()) for gradient in gradients)
    tolerance = 8 * (2.0**-9 if case.dtype == "bf16" else 2.0**-11)  # P, dO and the sum over heads are rounded
    verified = finite and math.isfinite(error) and error <= tolerance
    return (error if math.isfinite(error) else 1e300), verified


class L2Flush:
    """Overwrites a buffer of twice the L2 cache, so that every sample starts with a cold cache."""

    def __init__(self, torch):
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        size = 2 * getattr(properties, "L2_cache_size", 64 << 20)
        self.buffer = torch.empty(size, dtype=torch.int8, device="cuda")

    def __call__(self):
        self.buffer.zero_()


def quantile(ordered, fraction):
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def converged(samples):
    if len(samples) < MIN_SAMPLES:
        return False
    ordered = sorted(samples)
    cut = len(ordered) // 10
    kept = ordered[cut : len(ordered) - cut]
    return statistics.stdev(kept) / math.sqrt(len(kept)) <= WANTED_NOISE * statistics.fmean(kept)


def measure(torch, launch, max_seconds):
    """Timing fields of a record. The host runs ahead while the cache is flushed, so its launches are hidden."""
    flush = L2Flush(torch)
    for _ in range(3):
        launch()
    torch.cuda.synchronize()
    samples = []
    start = time.monotonic()
    while len(samples) < 200 and not converged(samples):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        flush()
        torch.cuda._sleep(1_000_000)  # cycles: half a millisecond, longer than the host needs to enqueue the launch
        begin.record()
        launch()
        end.record()
        torch.cuda.synchronize()
        samples.append(begin.elapsed_time(end) * 1e-3)
        if len(samples) >= MIN_SAMPLES and time.monotonic() - start > max_seconds:
            break
    ordered = sorted(samples)
    median = quantile(ordered, 0.5)
    spread = (quantile(ordered, 0.9) - quantile(ordered, 0.1)) / median
    return {"time_s": median, "spread": spread, "samples": len(samples), "converged": converged(samples)}


def record_of(case, backend, direction, timing, verification):
    record = {
        "record": "attention",
        "kernel": "sdpa_" + backend,
        "pass": direction,
        "dtype": case.dtype,
        "causal": case.causal,
        "batch": case.batch,
        "heads": case.heads,
        "kv_heads": case.kv_heads,
        "length": case.length,
        "head_dim": case.head_dim,
    }
    record.update(timing)
    record["flops_per_s"] = case.flops(direction) / timing["time_s"]
    record["verified"], record["error"] = verification[1], verification[0]
    return record


def measure_backend(torch, case, backend, max_seconds, output):
    context = sdpa_backend(backend)
    if context is None:
        raise RuntimeError("this torch does not have it")
    with context:
        with torch.no_grad():
            result = case.forward()
            timing = measure(torch, case.forward, max_seconds)
        output.measurement(record_of(case, backend, "forward", timing, verify_forward(case, result)))
        result = case.forward()

        def backward():
            return torch.autograd.grad(result, case.inputs(), case.gradient, retain_graph=True)

        gradients = backward()
        timing = measure(torch, backward, max_seconds)
        output.measurement(record_of(case, backend, "backward", timing, verify_backward(case, gradients)))


def skip(case, backend, error):
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    print(
        f"attention_sdpa: {backend} {case.dtype} length {case.length} causal {case.causal}: skipped: {reason}",
        file=sys.stderr,
    )


def main():
    arguments = parse_arguments()
    torch = import_torch()
    require_device(torch, arguments.device)
    output = Output()
    output.line(environment(torch, arguments.device))
    for dtype in arguments.dtypes:
        for length in arguments.lengths:
            for causal in (True, False):
                case = Case(torch, arguments, length, dtype, causal)
                for backend in arguments.backends:
                    try:
                        measure_backend(torch, case, backend, arguments.max_seconds, output)
                    except (RuntimeError, TypeError) as error:  # no kernel for it, or not enough memory
                        skip(case, backend, error)
                        torch.cuda.empty_cache()
    output.line({"record": "end", "program": "attention_sdpa", "measurements": output.measurements})
    return 1 if output.not_verified else 0


if __name__ == "__main__":
    sys.exit(main())
