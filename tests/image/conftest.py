"""The image, built once for all tests, and a function that runs it."""

import pytest

from tests.image import building
from tests.image.containers import Container

MEASURED = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[MEASURED] = []


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash[MEASURED]:
        terminalreporter.write_line(line)


@pytest.fixture
def told(request):
    """A function that has a line printed at the end of the run."""
    return request.config.stash[MEASURED].append


@pytest.fixture(scope="session")
def image(request):
    problem = building.missing()
    if problem:
        pytest.exit(problem, returncode=1)
    built = building.build()
    request.config.stash[MEASURED].append(
        f"The image has {built.size / 1e9:.2f} GB unpacked and was built in {built.seconds:.0f} s."
    )
    return built


@pytest.fixture
def run(image, tmp_path):
    """Start a container; without a user, as OpenShift's random one."""
    started = []

    def start(*command, user=(1000660000, 0), env=None, memory=None, folder=None, mode=0o2775):
        container = Container(
            image, folder or tmp_path / "c", *command, user=user, env=env, memory=memory, mode=mode
        )
        started.append(container)
        return container

    yield start
    for container in started:
        container.remove()
