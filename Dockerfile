# The demo for a host with an NVIDIA GPU. The CUDA libraries come with torch's own wheels; the driver
# is the host's, lent by the NVIDIA Container Toolkit. See docs/hosting.md.
FROM python:3.12-slim

# A process beside the demo compiles the model: by Triton, which calls a C compiler, and to C++.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

# Weights and compiled code live on a volume, outside the image, and survive an update of it.
ENV PYTHONUNBUFFERED=1 \
    HF_HOME=/weights \
    TORCHINDUCTOR_CACHE_DIR=/weights/compiled \
    LIGHTNING_HOST=0.0.0.0 \
    LIGHTNING_PORT=7860

RUN useradd --create-home --uid 1000 lightning \
    && install --directory --owner=lightning --group=lightning /weights

WORKDIR /app
COPY requirements.txt requirements-compile.txt ./
RUN pip install --no-cache-dir --requirement requirements.txt --requirement requirements-compile.txt
COPY app.py ./
COPY lightning_demo ./lightning_demo
COPY assets ./assets

USER lightning
VOLUME /weights
EXPOSE 7860

# Alive, not yet ready: /readyz answers 200 only once the model is loaded, which may take a download.
# By the same variables as the demo: https where it has a certificate.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-m", "lightning_demo", "health"]

CMD ["python", "app.py"]
