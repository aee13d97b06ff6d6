"""What ``harness init`` writes: projects by kind (``projects.py``) and a package of stages (``package.py``).

Texts are in ``templates/``, filled in by Jinja with ``«name»``; names there have no leading dot, so that they are packaged.
"""
