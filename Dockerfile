# genrestore for the processor, with its priors inside; works offline.
#
#     docker build --tag=genrestore .
#     docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" genrestore denoise photo.png
FROM python:3.12-slim

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu

COPY pyproject.toml README.md LICENSE /source/
COPY genrestore /source/genrestore
RUN pip install /source && rm -r /source && genrestore --version

# What an own store of weights may be mounted on; writable for whatever user the container runs as.
ENV GENRESTORE_HOME=/store
RUN useradd --create-home genrestore && install -d -m 1777 /store /work
USER genrestore
WORKDIR /work
ENTRYPOINT ["genrestore"]
CMD ["--help"]
