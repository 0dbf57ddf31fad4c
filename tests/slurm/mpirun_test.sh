#!/usr/bin/env bash
# Four ranks of mpirun, each a shard; one is killed half way, all are started again, and the merged answer is that of
# one process. usage: mpirun_test.sh TRAINYARD_BINARY
source "$(dirname "$(readlink -f "$0")")/expect.sh"
trap 'rm -rf "$folder"' EXIT
need mpirun
mpirun --version 2>/dev/null | grep -q 'Open MPI' || skip "mpirun is not Open MPI's"
cd "$folder"

sweep=("$trainyard" sweep "$here/launched.yaml" --no-prune --jobs 1 --quiet)
ranks=(mpirun -n 4 --oversubscribe)
((EUID != 0)) || ranks+=(--allow-run-as-root)

# Each rank leaves its process id.
cat >rank.sh <<'END'
#!/bin/bash
echo $$ >"pid.$OMPI_COMM_WORLD_RANK"
exec "$@"
END
chmod +x rank.sh

"${sweep[@]}" -o single.db >/dev/null
"${ranks[@]}" ./rank.sh "${sweep[@]}" --shard auto -o results.db >first.log 2>&1 &
launcher=$!
wait_for 30 "a batch of rank 2" has_begun results.shard-2-of-4.db
kill -9 "$(cat pid.2)" 2>/dev/null || fail "rank 2 ended before it could be killed: launched.yaml is too small"
! wait "$launcher" || fail "mpirun did not notice that a rank was killed"
! "$trainyard" sweep merge . -o early.db 2>early.log || fail "unfinished shards were merged"
grep -q 'shard 2 of 4' early.log || fail "the unfinished shard is not named: $(cat early.log)"
passed "a killed rank leaves an unfinished shard"

"${ranks[@]}" ./rank.sh "${sweep[@]}" --shard auto -o results.db >second.log 2>&1 || fail "$(cat second.log)"
"$trainyard" sweep merge . -o results.db >/dev/null
same_answers single.db results.db
passed "resumed and merged, the answer is that of one process"
