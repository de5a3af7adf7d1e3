"""The same with FastAPI, which loads the model once and calls its predict.

python keras_fastapi.py MODEL.keras PORT
"""

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI
from keras.models import load_model
from pydantic import BaseModel

app = FastAPI()
model = load_model(sys.argv[1])


class Picture(BaseModel):
    data: list[float]


@app.post("/predict")
def predict(picture: Picture) -> dict[str, int]:
    prediction = model.predict(np.array(picture.data).reshape(1, 28, 28, 1), verbose=0)
    return {"prediction": int(np.argmax(prediction))}


@app.get("/ready")
def ready() -> dict[str, bool]:
    return {"ready": True}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
