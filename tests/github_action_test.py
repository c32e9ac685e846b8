"""The workflow that users copy: what runs code of a pull request has no rights and no token, and nothing moves under it."""

import pathlib
import re
import unittest

WORKFLOW = pathlib.Path(__file__).resolve().parent.parent / "examples/github-action/pdl-check.yml"


def lines():
    """Without comments."""
    return [
        re.sub(r"\s+#.*$|^#.*$", "", line)
        for line in WORKFLOW.read_text(encoding="utf-8").split("\n")
    ]


def jobs():
    """The text of each job, by its name."""
    text = "\n".join(lines())
    parts = re.split(r"^  (\w+):$", text[text.index("\njobs:") :], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def steps(job):
    return re.split(r"^      - ", job, flags=re.MULTILINE)[1:]


class GithubAction(unittest.TestCase):
    def test_names_actions_by_commit(self):
        used = [match for line in lines() for match in re.findall(r"uses: (\S+)", line)]
        self.assertGreater(len(used), 4)
        for action in used:
            self.assertRegex(action, r"@[0-9a-f]{40}$")

    def test_names_slipstream_by_commit(self):
        (step,) = [
            step for step in steps(jobs()["check"]) if "your-organization/slipstream" in step
        ]
        self.assertRegex(step, r"ref: [0-9a-f]{40}\n")

    def test_leaves_no_token_for_what_is_built(self):
        checkouts = [step for step in steps(jobs()["check"]) if "actions/checkout@" in step]
        self.assertEqual(len(checkouts), 2)
        for step in checkouts:
            self.assertIn("persist-credentials: false", step)

    def test_gives_no_right_to_write_to_what_runs_commands(self):
        self.assertIn("permissions: {}", lines())
        for name, job in jobs().items():
            runs = any(re.search(r"^(?:\s*)run:", step, re.MULTILINE) for step in steps(job))
            self.assertEqual(runs, name == "check")
            self.assertEqual("write" in job, not runs, name)

    def test_uploads_only_a_report_that_is_there_and_may_be_written(self):
        job = jobs()["show"]
        self.assertIn("needs.check.outputs.has_report == 'yes'", job)
        self.assertIn("github.event.pull_request.head.repo.full_name == github.repository", job)


if __name__ == "__main__":
    unittest.main()
