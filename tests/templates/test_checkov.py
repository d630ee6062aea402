"""checkov finds nothing that is not suppressed with a written reason."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import templates

CHECKOV = os.environ.get("QUARTERDECK_CHECKOV", "checkov")
UNREASONED = """
Resources:
  Listener:
    # checkov:skip=CKV_AWS_2
    # checkov:skip=CKV_AWS_103:later
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties: {LoadBalancerArn: one, Port: 80, Protocol: HTTP, DefaultActions: [{Type: fixed-response}]}
"""


def checkov(directory: Path) -> dict:
    """What checkov says of the templates in a directory; asks nothing of the network."""
    command = [CHECKOV, "--directory", str(directory), "--framework", "cloudformation", "--skip-download", "--output", "json"]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"checkov ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def unreasoned(report: dict) -> list[str]:
    """Suppressions whose reason is not a sentence."""
    skipped = report["results"]["skipped_checks"]
    reason = lambda check: check["check_result"]["suppress_comment"]
    missing = lambda text: not text or text == "No comment provided" or len(text.split()) < 5
    return [f"{check['check_id']} on {check['resource']}: {reason(check)!r}" for check in skipped if missing(reason(check))]


class Checkov(unittest.TestCase):
    def test_templates_have_no_failure(self):
        report = checkov(templates.ROOT / "stack")
        failed = [f"{check['check_id']} {check['resource']}: {check['check_name']}" for check in report["results"]["failed_checks"]]
        self.assertEqual(failed, [])
        self.assertEqual(report["summary"]["parsing_errors"], 0)
        seen = {Path(check["file_path"]).stem for check in report["results"]["passed_checks"]}
        self.assertEqual(seen, set(templates.NAMES), "every template was read")
        self.assertEqual(unreasoned(report), [])
        counts = report["summary"]
        print(f"checkov: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} suppressed with a reason")

    def test_a_suppression_without_a_reason_is_found(self):
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "one.yaml").write_text(UNREASONED)
            found = unreasoned(checkov(Path(directory)))
        self.assertEqual(len(found), 2, found)


if __name__ == "__main__":
    unittest.main()
