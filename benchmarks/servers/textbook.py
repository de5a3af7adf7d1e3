"""The server that textbooks show: Flask, which loads the model in every request.

python textbook.py MODEL.keras PORT
"""

import sys

import numpy as np
from flask import Flask, jsonify, request
from keras.models import load_model

app = Flask(__name__)


@app.route("/predict", methods=["POST"])
def predict():
    model = load_model(sys.argv[1])
    picture = np.array(request.get_json()["data"]).reshape(1, 28, 28, 1)
    prediction = model.predict(picture)
    return jsonify({"prediction": int(np.argmax(prediction))})


@app.route("/ready")
def ready():
    return jsonify({"ready": True})


if __name__ == "__main__":
    app.run(port=int(sys.argv[2]))
