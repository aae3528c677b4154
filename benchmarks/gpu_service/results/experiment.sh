#!/usr/bin/env bash
# experiment.sh PLAN SECONDS
set -uo pipefail
if [ ! -d /opt/site/vllm ]; then
    time bash /opt/w/unpack.sh
fi
export PYTHONPATH=/opt/site:/opt/w/plugin
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
if [ "$1" = throughput ]; then
    time timeout 60 python3 -m benchmarks.gpu_service.equivalence /opt/w/model > "$OUT/equivalence.log" 2>&1
    tail -5 "$OUT/equivalence.log"
fi
python3 -m benchmarks.gpu_service.matrix "/opt/w/$1.json" /opt/w/pages "$OUT" --seconds "$2"
if grep -q '"server": "ours.*"failed"' "$OUT/results.jsonl"; then
    sed 's/"VLLM_WORKER_MULTIPROC_METHOD": "fork"/"VLLM_WORKER_MULTIPROC_METHOD": "spawn"/; s/"label": "ours/"label": "spawned ours/' "/opt/w/$1.json" | python3 -c 'import json,sys; print(json.dumps([s for s in json.load(sys.stdin) if "ours" in s["label"]]))' > /opt/w/again.json
    python3 -m benchmarks.gpu_service.matrix /opt/w/again.json /opt/w/pages "$OUT" --seconds 120
fi
grep -h "pagemill_vision\|MMEncoderAttention\|packed vision" "$OUT"/*.log | sort | uniq -c | sort -rn | head -8
grep -h "took\|seconds" "$OUT"/ours-8*.log | tail -20 | cut -c1-200
