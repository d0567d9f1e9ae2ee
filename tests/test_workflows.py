"""The workflows that meet strangers' pull requests: no secret, no token beside their code, nothing of theirs is run."""

import json
import re
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[1] / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def triggers(workflow):
    # YAML 1.1 reads the key `on` as true.
    return workflow[True]


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


CHECK, COMMENT = read(FOLDER / "submission.yml"), read(FOLDER / "submission-comment.yml")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_permitted_but_by_name_and_every_action_is_pinned(path):
    workflow = read(path)

    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert set(job) >= {"permissions", "timeout-minutes"}
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_workflow_has_secrets_or_the_privileged_trigger(path):
    text = path.read_text(encoding="utf-8")

    assert "secrets." not in text
    assert "pull_request_target" not in triggers(read(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_shell_reads_an_expression_that_a_stranger_could_write(path):
    for step in steps(read(path)):
        assert "${{" not in step.get("run", "")
        assert "${{" not in step.get("with", {}).get("script", "")


def test_what_meets_the_pull_request_can_only_read():
    assert set(triggers(CHECK)) == {"pull_request"}
    assert [job["permissions"] for job in CHECK["jobs"].values()] == [{"contents": "read"}]


def test_the_code_that_checks_is_the_base_branch_and_the_pull_request_is_data():
    base, head = (step["with"] for step in steps(CHECK) if "checkout" in step.get("uses", ""))

    assert base["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert "path" not in base
    assert (head["path"], head["sparse-checkout"]) == ("pull-request", "submissions")
    assert base["persist-credentials"] is head["persist-credentials"] is False
    commands = "\n".join(step.get("run", "") for step in steps(CHECK))
    assert "pip install" in commands
    assert not re.search(r"(pip install|python|bash|sh|cd|source)\s[^\n]*pull-request", commands)


def test_what_may_comment_neither_checks_out_nor_runs_anything_of_the_pull_request():
    assert triggers(COMMENT) == {"workflow_run": {"workflows": ["submission"], "types": ["completed"]}}
    assert [job["permissions"] for job in COMMENT["jobs"].values()] == [{"actions": "read", "pull-requests": "write"}]
    used = [step["uses"].partition("@")[0] for step in steps(COMMENT)]
    assert used == ["actions/download-artifact", "actions/github-script"]
    assert not any("run" in step for step in steps(COMMENT))


def test_the_comment_goes_to_the_pull_request_that_was_checked_as_plain_text():
    script = steps(COMMENT)[-1]["with"]["script"]

    assert "pull.head.sha !== context.payload.workflow_run.head_sha" in script
    assert "Number.isSafeInteger(number)" in script
    assert "'`'.repeat(longest + 1)" in script


def test_both_workflows_speak_of_the_same_artifact():
    (upload,) = (step["with"] for step in steps(CHECK) if "upload-artifact" in step.get("uses", ""))
    download = steps(COMMENT)[0]["with"]

    assert upload["name"] == download["name"]
    assert json.dumps(steps(CHECK)).count("review/number") == 1
    assert triggers(COMMENT)["workflow_run"]["workflows"] == [CHECK["name"]]
