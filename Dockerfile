# Two images from one file. The page alone, some 20 MB:
#   docker build --target page -t deep-learning-page .  &&  docker run -p 8000:8000 deep-learning-page
# JupyterLab on the notebooks, some 3 GB, most of it TensorFlow:
#   docker build --target lab -t deep-learning-lab .    &&  docker run -p 8888:8888 deep-learning-lab
# `scripts/prove docker` runs these steps in a bare Debian, for machines without a container engine.

FROM debian:trixie-slim AS made
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates make python3 python3-venv && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home reader
COPY --chown=reader:reader . /home/reader/book
USER reader
WORKDIR /home/reader/book
RUN make book && rm -rf ~/.cache

FROM busybox:stable AS page
COPY --from=made /home/reader/book/_build/html /page
EXPOSE 8000
USER nobody
CMD ["httpd", "-f", "-p", "8000", "-h", "/page"]

FROM made AS lab
RUN mkdir ~/.keras && .venv/bin/jupyter trust book/*.ipynb
EXPOSE 8888
ENV OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3
CMD [".venv/bin/jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--notebook-dir=book"]
