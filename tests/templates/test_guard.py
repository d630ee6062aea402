"""Our own rules: our templates keep them, and each rule rejects the template that is there for it."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import templates

GUARD = os.environ.get("QUARTERDECK_CFN_GUARD", "cfn-guard")
RULES = templates.HERE / "rules"
REJECTED = templates.HERE / "rejected"
# Every template as it is written, and the choices that some rules can judge only when they are made.
CHOSEN = [
    ("platform", {"OriginMode": "vpc-origin", "WebAclArn": "arn"}),
    ("platform", {"OriginMode": "public", "CloudFrontPrefixListId": "pl-1", "WebAclArn": "arn", "VpcCidr": "10.64.0.0/16"}),
    ("server", {"OriginGuardSecret": "quarterdeck/prod/origin-header", "MinCount": 2, "MaxCount": 6}),
    ("server", templates.APP),
]


def guard(files: list[Path]) -> list[dict]:
    """What every rule says of each file."""
    data = [argument for file in files for argument in ("--data", str(file))]
    command = [GUARD, "validate", "--rules", str(RULES), *data, "--structured", "--output-format", "json", "--show-summary", "none"]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # 19: a rule is broken. Anything else that is not 0 is no judgement.
    if done.returncode not in (0, 19):
        raise RuntimeError(f"cfn-guard ended with {done.returncode}: {done.stderr}{done.stdout[:500]}")
    return json.loads(done.stdout)


def broken(report: dict) -> set[str]:
    """Names of the rules that a file breaks."""
    return {entry["Rule"]["name"] for entry in report["not_compliant"]}


class Guard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rules = {name for file in RULES.glob("*.guard") for name in re.findall(r"^rule (\w+)", file.read_text(), re.M)}

    def test_templates_keep_every_rule(self):
        with tempfile.TemporaryDirectory() as directory:
            files = [templates.path(name) for name in templates.NAMES]
            for number, (name, choice) in enumerate(CHOSEN):
                files.append(Path(directory) / f"{name}-{number}.json")
                files[-1].write_text(json.dumps(templates.resolve(templates.load(templates.path(name)), choice)))
            reports = guard(files)
        self.assertEqual(len(reports), len(files))
        for report in reports:
            self.assertEqual(broken(report), set(), f"{report['name']}: {json.dumps(report['not_compliant'])[:2000]}")
        applied = {rule for report in reports for rule in report["compliant"]}
        self.assertEqual(self.rules - applied, set(), "rules that apply to none of our templates prove nothing")
        print(f"cfn-guard: {len(self.rules)} rules, {len(files)} templates and choices of them")

    def test_each_rule_rejects_its_template_and_no_other_rule_does(self):
        files = sorted(REJECTED.glob("*.yaml"))
        self.assertEqual({file.stem.replace("-", "_") for file in files}, self.rules)
        for report in guard(files):
            expected = {Path(report["name"]).stem.replace("-", "_")}
            self.assertEqual(broken(report), expected, report["name"])


if __name__ == "__main__":
    unittest.main()
