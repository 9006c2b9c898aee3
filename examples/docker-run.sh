#!/bin/sh
# The agent and a labelled container without Compose.
set -eu

docker run -d --name watchbell --restart unless-stopped \
    --read-only --cap-drop ALL --security-opt no-new-privileges:true \
    -e WATCHBELL_LOG_LEVEL=info \
    -v /var/run/docker.sock:/var/run/docker.sock \
    -v watchbell-state:/var/lib/watchbell \
    watchbell:latest daemon --max-concurrent-runs 8

docker run -d --name web \
    --label watchbell.enabled=true \
    --label 'watchbell.job-exec.hello.schedule=@every 1m' \
    --label 'watchbell.job-exec.hello.command=echo hello from web' \
    busybox:stable sleep infinity

docker logs -f watchbell
