"""Faces that leave no process behind."""

from __future__ import annotations

import pytest

from tests.engine.face import Face, PlayedFace


@pytest.fixture
def new_face(tmp_path):
    """`Face(model, folder, ...)`, closed at the end."""
    faces = []

    def make(model="pocket", **options):
        faces.append(Face(model, tmp_path, **options))
        return faces[-1]

    yield make
    assert [face.client.close() for face in faces] == [True] * len(faces)


@pytest.fixture
def play(tmp_path):
    """`PlayedFace(folder, *scripts)`, started, and closed at the end."""
    faces = []

    def make(*scripts, **options):
        faces.append(PlayedFace(tmp_path, *scripts, **options))
        return faces[-1].start()

    yield make
    assert [face.client.close() for face in faces] == [True] * len(faces)
