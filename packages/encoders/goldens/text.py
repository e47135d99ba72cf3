"""Reference ids of the tokenizer, by Hugging Face's BertTokenizer. `generate.py` calls `text_goldens()`."""

import json
import os
import tempfile
from pathlib import Path

from common import here, write
from transformers import BertTokenizer

TEXTS = [
    "No acute cardiopulmonary process.",
    "Small right-sided pleural effusion, 2.5 cm; unchanged from ___.",
    "  \tHeart size: NORMAL.\nLungs are clear!  ",
    "Na\u00efve r\u00e9sum\u00e9 \u2014 caf\u00e9 \u2265 5\u00b5m (post-op) [SEP] [MASK] [CLS]",
    "\u80ba\u708e pneumonia \U0001fac1 \u00e6\u00df\u0130",
    "hydropneumothorax electroencephalographically $5 ^ ` ~ <b>",
    "",
    "x" * 101 + " ##ing don't",
    "zero\u200bwidth soft\u00adhyphen\u00a0nbsp \u0000nul \ufffd",
    "a" * 100 + " " + "a" * 101 + " " + "\u00e9" * 100,
    "\U0002000f\U00020000\u80ba\u4e2d\u6587 \u039f\u0394\u039f\u03a3 \u03a3\u0391\u03a3.",
    "10,000 \u00b5g/dL; 98.6\u00b0F; 3x4-5; T12/L1; 0.5%; 1e-3; \u00bd \u00b2 \u2460 \u0665",
    "[sep] [PAD][UNK] [MASK]ed x[SEP]y [ SEP ] [MASK]",
    "a\u2028b\u2029c\u0085d\x0be\x1cf\x7fg\u00ad\u2060h",
    "\u00c5ngstr\u00f6m \u0130stanbul \u0152UVRE \ufb01ne \u01c4 \u1e9e e\u0301 n\u0303 \u00f1",
    "\ud55c\uad6d\uc5b4 \u0e20\u0e32\u0e29\u0e32 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05b4\u05d1\u05e8\u05b4\u05d9\u05ea",
    "\U0001fac1\U0001f469\u200d\u2695\ufe0f \u2022 bullet \u2026 \u201cquoted\u201d \u2019s \u2013 \u00a7 \u00ae",
    "IMPRESSION:1.No focal consolidation.2.Stable cardiomegaly(CTR=0.58).",
]

CASES = {
    "uncased": ("uncased", {}, True),
    "cased": ("cased", {"do_lower_case": False}, True),
    "cased vocabulary, lowercased": ("cased", {}, True),
    "uncased, accents kept": ("uncased", {"strip_accents": False}, True),
    "cased, accents stripped": ("cased", {"do_lower_case": False, "strip_accents": True}, True),
    "uncased, Chinese words together": ("uncased", {"tokenize_chinese_chars": False}, True),
    "uncased, special tokens in texts": ("uncased", {}, False),
}


def shared_golden():
    folder = Path(os.environ.get("MEDALIGN_DATA", here.parents[3] / "shared/data")) / "vocab"
    cases = {}
    for name, (vocabulary, config, split) in CASES.items():
        lines = (folder / f"bert_base_{vocabulary}_vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
        tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(lines)}, **config)
        ids = [tokenizer(text, split_special_tokens=split)["input_ids"] for text in TEXTS]
        cases[name] = {"vocabulary": vocabulary, "config": config, "specialTokens": "text" if split else "tokens", "ids": ids}
    return {"texts": TEXTS, "cases": cases}


def files_golden():
    """The files that are saved for a small vocabulary of its own, and ids by what they say."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "A", "a", "\u00e9", "e", "\u00c9", "\u4e2d", "\u4e2d\u4e2d", "E", "##b", "-"]
    text = "A \u00c9 \u4e2d\u4e2d ab-Eb"
    configs = [{}, {"do_lower_case": False}, {"do_lower_case": False, "strip_accents": True},
               {"do_lower_case": True, "strip_accents": False}, {"tokenize_chinese_chars": False}]
    cases = []
    for config in configs:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
            (Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
            tokenizer = BertTokenizer.from_pretrained(folder)
            tokenizer.save_pretrained(f"{folder}/saved")
            saved = {name: json.loads((Path(folder) / "saved" / name).read_text()) for name in ("tokenizer.json", "tokenizer_config.json")}
        keep = ("do_lower_case", "strip_accents", "tokenize_chinese_chars", "tokenizer_class")
        saved["tokenizer_config.json"] = {key: saved["tokenizer_config.json"].get(key) for key in keep}
        cases.append({"config": config, "saved": saved, "ids": tokenizer(text)["input_ids"]})
    return {"vocabulary": vocabulary, "text": text, "cases": cases}


def text_goldens():
    write("tokenizer.json", shared_golden())
    write("tokenizer-files.json", files_golden())
