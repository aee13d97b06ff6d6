from __future__ import annotations

import pytest
from ci.hosted import Hosted
from command_line import Project
from copies import Copies


@pytest.fixture
def hosted(project: Project, copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Hosted:
    return Hosted(project, copies, tmp_path_factory.mktemp("host"))
