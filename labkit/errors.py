"""What labkit raises. Every message says what happened and ends in what to do."""


class LabError(Exception):
    """Base of labkit's own errors; catch it to catch them all."""


class SettingsError(LabError, ValueError):
    """An environment variable ``LABKIT_…`` has a value that cannot be."""


class DataError(LabError):
    """A data set is missing, damaged or not what it claims to be."""


class DownloadError(DataError):
    """A host did not answer, or sent something else than was asked for."""


class TrainingError(LabError):
    """A model cannot be trained as asked."""


class SpaceError(LabError, ValueError):
    """A search space has parameters or values that cannot be."""


class SweepError(LabError):
    """A sweep cannot start, or cannot go on."""


class StoreError(LabError):
    """A model cannot be saved, is not there, or is not what was saved."""


class ServeError(LabError):
    """A request cannot be answered, or a server cannot start."""

    def __init__(self, text: str, status: int = 422):
        super().__init__(text)
        self.status = status
        """What HTTP calls it."""


class StreamError(LabError):
    """Kafka cannot be reached, or what is to be sent or read cannot be."""


class ClusterError(LabError):
    """The cluster cannot be reached, or JupyterLab cannot run there."""


class NotebookError(LabError):
    """A notebook cannot be run, cleaned or checked."""
