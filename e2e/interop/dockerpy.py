"""Does by docker-py what the first argument says, after a login where the environment names somebody."""

import os
import sys

import docker


def split(ref):
    repository, _, tag = ref.rpartition(":")
    return repository, tag


def push(client, ref):
    repository, tag = split(ref)
    for line in client.images.push(repository, tag=tag, stream=True, decode=True):
        if "error" in line:
            sys.exit(line["error"])


def main(command, *args):
    client = docker.from_env(timeout=600)
    for host in os.environ.get("INTEROP_HOSTS", "").split():
        client.login(os.environ["INTEROP_USERNAME"], os.environ["INTEROP_PASSWORD"], registry=host)
    if command == "push":
        ref, archive = args
        with open(archive, "rb") as file:
            client.images.load(file)
        push(client, ref)
    elif command == "push-again":
        source, target = args
        client.images.get(source).tag(*split(target))
        push(client, target)
    elif command == "pull":
        (ref,) = args
        try:
            client.images.remove(ref, force=True)  # what is there is not pulled
        except docker.errors.ImageNotFound:
            pass
        repository, tag = split(ref)
        client.images.pull(repository, tag=tag)


try:
    main(*sys.argv[1:])
except docker.errors.DockerException as error:
    sys.exit(str(error))
