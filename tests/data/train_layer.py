"""Trains the layer in ``digits_layer.npz``, the first of an MLP of 64, 32 and 10 units on handwritten digits.

``python tests/data/train_layer.py`` writes the file anew; scikit-learn is needed for the images alone. What is in it:

inputs: (200, 64) float32, images that the network was not trained on, 0 to 1
labels: (200,) uint8
weight, bias: (64, 32) and (32,) float32, the hidden layer, before a ReLU
weight_2, bias_2: (32, 10) and (10,) float32, the layer behind it
"""

from pathlib import Path

import numpy as np

HIDDEN, TEST, EPOCHS, BATCH, RATE, DECAY = 32, 200, 200, 50, 0.1, 1e-4


def main() -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    random = np.random.default_rng(1)
    order = random.permutation(len(images))
    images, labels = images[order] / 16, labels[order]
    inputs, targets = images[TEST:], np.eye(10)[labels[TEST:]]
    layers = [
        [random.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out)), np.zeros(fan_out)]
        for fan_in, fan_out in ((images.shape[1], HIDDEN), (HIDDEN, 10))
    ]
    for _ in range(EPOCHS):
        for batch in np.array_split(random.permutation(len(inputs)), len(inputs) // BATCH):
            hidden = np.maximum(inputs[batch] @ layers[0][0] + layers[0][1], 0)
            scores = hidden @ layers[1][0] + layers[1][1]
            odds = np.exp(scores - scores.max(axis=1, keepdims=True))
            error = (odds / odds.sum(axis=1, keepdims=True) - targets[batch]) / len(batch)
            back = (error @ layers[1][0].T) * (hidden > 0)
            for layer, gradient, before in ((layers[1], error, hidden), (layers[0], back, inputs[batch])):
                layer[0] -= RATE * (before.T @ gradient + DECAY * layer[0])
                layer[1] -= RATE * gradient.sum(axis=0)
    hidden = np.maximum(images[:TEST] @ layers[0][0] + layers[0][1], 0)
    right = (hidden @ layers[1][0] + layers[1][1]).argmax(axis=1) == labels[:TEST]
    print(f"accuracy {right.mean():.1%} of {TEST} images")
    np.savez_compressed(
        Path(__file__).with_name("digits_layer.npz"),
        inputs=images[:TEST].astype(np.float32),
        labels=labels[:TEST].astype(np.uint8),
        weight=layers[0][0].astype(np.float32),
        bias=layers[0][1].astype(np.float32),
        weight_2=layers[1][0].astype(np.float32),
        bias_2=layers[1][1].astype(np.float32),
    )


if __name__ == "__main__":
    main()
