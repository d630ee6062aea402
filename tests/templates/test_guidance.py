"""docs/guidance.md: every row of its tables has a proof, and every proof is there."""

import re
import unittest

import templates

TABLE = templates.ROOT / "docs" / "guidance.md"


def rows() -> list[list[str]]:
    """The cells of each row, without heads and rules."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| Point |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def missing(proof: str) -> str | None:
    """Why a proof is none."""
    file, _, test = proof.partition("::")
    file, _, name = file.partition("#")
    path = templates.ROOT / file
    if not path.is_file():
        return f"{file} does not exist"
    if test and not re.search(rf"^\s*(?:async )?(?:fn|def) {re.escape(test)}\(", path.read_text(), re.M):
        return f"{file} has no test {test}"
    if name and not any(name in templates.load(path)[part] for part in ("Parameters", "Resources", "Outputs")):
        return f"{file} has no parameter, resource or output {name}"
    return None


class Guidance(unittest.TestCase):
    def test_every_proof_is_there(self):
        self.assertGreater(len(rows()), 40)
        for row in rows():
            self.assertEqual(len(row), 4, row)
            proofs = re.findall(r"`([^`]+)`", row[3])
            self.assertTrue(proofs, f"{row[0]}: nothing proves it")
            self.assertEqual(re.sub(r"`[^`]+`", "", row[3]).strip(), "", f"{row[0]}: proofs are names alone")
            self.assertEqual([found for found in map(missing, proofs) if found], [], row[0])

    def test_what_is_not_there_is_found(self):
        for proof in ("stack/none.yaml", "stack/server.yaml#Nothing", "tests/walls.rs::no_such_test"):
            self.assertIsNotNone(missing(proof), proof)

    def test_every_rule_is_in_a_row(self):
        text = TABLE.read_text()
        unnamed = [rule.name for rule in (templates.HERE / "rules").glob("*.guard") if rule.name not in text]
        self.assertEqual(unnamed, [])


if __name__ == "__main__":
    unittest.main()
