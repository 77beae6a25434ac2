"""How the bundled `pocket` checkpoint was trained, and the held-out cases it is tested on."""
