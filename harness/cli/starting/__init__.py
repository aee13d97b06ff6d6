"""What ``harness init`` writes: projects by kind (``projects.py``) and a package of stages (``package.py``).

Texts are in ``templates/``, filled in by Jinja with ``«name»``. Their names have no leading dot, else they would not be
packaged.
"""
