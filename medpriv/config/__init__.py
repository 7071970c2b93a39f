"""The config's models, one module a part: what may stand in `config.yaml`, with units, defaults and limits."""
