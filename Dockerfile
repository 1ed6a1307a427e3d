# The bot on Pipecat Cloud: bot.py and what it needs in a call, on the platform's base image, which brings the HTTP side
# (app.py, /ws, health checks). See docs/pipecat-cloud.md. The server with webhooks is deploy/Dockerfile.server.
#
#   docker build --platform linux/arm64 -t phonebot:0.1.0 .
# 0.1.27 is the first that keeps to max_session_duration in the process. Newer ones (0.1.29 is known) may do as well, untried.
FROM dailyco/pipecat-base:0.1.27-py3.12

# `hosted` has every hosted service; `local` adds the keyless voice (GPL-3.0 speech synthesis, 300 MB)
ARG LOCK=hosted

# The image's default is DEBUG, at which Pipecat logs what callers and bot say
ENV PIPECAT_LOG_LEVEL=INFO

# The image may have imported numpy before bot.py can set this; its threads would spin for a third of a call's time
ENV OPENBLAS_NUM_THREADS=1

# Over the image's own packages, by hash; what the image asked for must still hold afterwards
COPY requirements/build.lock requirements/${LOCK}.lock ./
RUN pip install --no-cache-dir --require-hashes -r build.lock \
 && pip install --no-cache-dir --require-hashes --no-deps --no-build-isolation -r ${LOCK}.lock \
 && pip check

# Each folder by name: /app holds the image's own app.py, waiting_server.py and others, which nothing here may replace
COPY bot.py settings.py ./
COPY serializers ./serializers
COPY carriers ./carriers
COPY providers ./providers
COPY calls ./calls
COPY conversation ./conversation
COPY agents ./agents
