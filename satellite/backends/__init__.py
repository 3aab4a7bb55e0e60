"""Pure sessions of voice services, one room each, behind the interface of `base`."""
