"""Puts the two sides' lines into one JSON file: join.py ours.txt torch.txt RESULT.json"""
import json, subprocess, sys

ours = [json.loads(l) for l in open(sys.argv[1]) if l.startswith("{")]
torch = [json.loads(l) for l in open(sys.argv[2]) if l.startswith("{")]
peers = {r["case"]: r for r in torch if "case" in r}
device = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True).stdout.strip()
cases = [{**r, **{k: v for k, v in peers.get(r["case"], {}).items() if k != "case"}} for r in ours]
def right(r):
    # TF32 keeps 10 bits of each factor.
    return not r.get("problem") and float(r.get("error", 0)) <= (5e-3 if r["case"].endswith(":tf32") else 1e-4)


bad = [r["case"] for r in cases if not right(r)]
with open(sys.argv[3], "w") as f:
    json.dump({"device": device, "torch": next((r for r in torch if "torch" in r), None), "wrong": bad, "cases": cases}, f, indent=1)
print(f"{len(cases) - len(bad)} of {len(cases)} programs right, wrong: {bad}")
for r in cases:
    if "eager_us" in r:
        print(f"{r['case']:24} ours {r['us']:9.1f} (graph {r['graph_us']:9.1f})  torch eager {r['eager_us']:9.1f}  compile {r.get('compile_us', 0):9.1f} (graph {r.get('compile_graph_us', 0):9.1f})")
