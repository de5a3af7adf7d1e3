"""KServe's Python server with a model of our own, as its manual shows it, on ONNX Runtime.

python kserve_onnx.py MODEL.onnx --http_port PORT
"""

import sys

import numpy as np
import onnxruntime
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.utils.utils import generate_uuid


class Digits(Model):
    def __init__(self, path):
        super().__init__("mnist-cnn")
        self.session = onnxruntime.InferenceSession(path)
        self.ready = True

    def predict(self, payload, headers=None):
        if isinstance(payload, dict):  # V1
            return {"predictions": self.compute(payload["instances"]).tolist()}
        said = self.compute(payload.inputs[0].as_numpy())
        output = InferOutput("output", list(said.shape), "FP32")
        output.set_data_from_numpy(said, binary_data=False)
        return InferResponse(payload.id or generate_uuid(), self.name, [output])

    def compute(self, pictures):
        pictures = np.asarray(pictures, "float32").reshape(-1, 28, 28, 1)
        return self.session.run(None, {"input": pictures})[0]


if __name__ == "__main__":
    path = sys.argv.pop(1)  # the rest is read by KServe
    ModelServer(enable_grpc=False, workers=1).start([Digits(path)])
