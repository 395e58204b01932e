import json
import pathlib
import sys
import unittest

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sparsecbm_training import vocabulary  # noqa: E402

PIECES = ["other", "[PAD]", "noise", "[UNK]", "[CLS]", "food", "[SEP]", "[MASK]", "good", "##ly", "a", "##a", "b"]
TEMPLATE = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 4), ("[SEP]", 6)])
OLDER = processors.BertProcessing(("[SEP]", 6), ("[CLS]", 4))


def word_piece(processor):
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["[PAD]", "[CLS]", "[SEP]", "[NAME]"])
    tokenizer.post_processor = processor
    return tokenizer


class Cut(unittest.TestCase):
    def test_texts_keep_their_pieces_under_new_ids(self):
        for processor in (TEMPLATE, OLDER):
            whole = word_piece(processor)
            cut, before = vocabulary.cut(whole, ["good food", "goodly a"])
            kept = [piece for piece in PIECES if piece not in ("other", "noise")] + ["[NAME]"]
            self.assertEqual([whole.id_to_token(i) for i in before], kept)
            for text in ("good food", "goodly a", "goodly ba"):
                self.assertEqual(cut.encode(text).tokens, whole.encode(text).tokens)
                self.assertEqual([before[i] for i in cut.encode(text).ids], whole.encode(text).ids)
            self.assertEqual(cut.encode("noise").tokens, ["[CLS]", "[UNK]", "[SEP]"])
            self.assertEqual(vocabulary.padding(cut), 0)

    def test_texts_that_are_cut_off_keep_their_pieces_too(self):
        whole = vocabulary.prepare(word_piece(TEMPLATE), 3)
        cut, before = vocabulary.cut(whole, ["good food good food", "a"])
        self.assertIsNotNone(before)
        for tokenizer in (whole, cut):
            self.assertEqual(tokenizer.encode("good food").tokens, ["[CLS]", "good", "[SEP]"])

    def test_other_vocabularies_stay_whole(self):
        tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
        same, before = vocabulary.cut(tokenizer, ["a"])
        self.assertIs(same, tokenizer)
        self.assertIsNone(before)
        self.assertEqual(vocabulary.padding(same), 0)
        tokenizer.add_special_tokens(["<pad>"])
        self.assertEqual(vocabulary.padding(tokenizer), 3)


TEXTS = [
    "The food was good, the service was not.", "Good food and a good view!", "Nothing was good about the noise.",
    "I would go there again for the food.", "Services like these are a nuisance.", "Überall gute Küche 🙂",
] * 3  # fmt: skip
OTHERS = ["A wholly different sentence, with zebras & Ωμέγα.", "good goods for foodies", "🙂🙃", "quxxy Jazz"]


def byte_level(**settings):
    tokenizer = Tokenizer(models.BPE(**settings))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<s>", "<pad>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS + OTHERS * 3, trainer)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]),
        ]
    )
    return tokenizer


def whole_words_first():
    content = json.loads(byte_level().to_str())
    content["model"]["ignore_merges"] = True
    return Tokenizer.from_str(json.dumps(content))


def with_suffix():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS + OTHERS * 3, trainer)
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=250, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS + OTHERS * 3, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


class OtherKinds(unittest.TestCase):
    def test_ids_stand_for_the_same_pieces_and_any_text_still_reads(self):
        for make in (byte_level, whole_words_first, with_suffix, unigram):
            with self.subTest(make.__name__):
                whole = make()
                corpus = TEXTS[:2]
                cut, before = vocabulary.cut(whole, corpus)
                self.assertIsNotNone(before)
                self.assertLess(len(before), whole.get_vocab_size())
                self.assertEqual(len(before), cut.get_vocab_size())
                for i, old in enumerate(before):
                    self.assertEqual(cut.id_to_token(i), whole.id_to_token(old))
                for text in corpus:
                    self.assertEqual([before[i] for i in cut.encode(text).ids], whole.encode(text).ids)
                for text in TEXTS + OTHERS:
                    letters = ["".join(tokenizer.encode(text).tokens) for tokenizer in (cut, whole)]
                    self.assertEqual(*letters)


MULTILINGUAL = pathlib.Path(__file__).resolve().parents[2] / "tests/models"


class Multilingual(unittest.TestCase):
    """A tokenizer made as XLM-RoBERTa's, cut on texts of six scripts and on those of one."""

    def test_texts_of_every_script_keep_their_ids(self):
        texts = (MULTILINGUAL / "multilingual.txt").read_text(encoding="utf-8").splitlines()
        russian = [text for text in texts if "\u0400" <= text[0] <= "\u04ff"]
        self.assertGreater(len(russian), 4)
        awkward = [
            "cafe\u0301 \uff26\uff55\uff4c\uff4c",
            "\u110b\u1173\u11b7 \U0001f468\u200d\U0001f469",
            "\U00020000\u200b\u0e33",
        ]
        for corpus in (texts[::2], russian, [*russian, *awkward], texts[-3:]):
            whole = Tokenizer.from_file(str(MULTILINGUAL / "xlm-roberta/tokenizer.json"))
            cut, before = vocabulary.cut(whole, corpus)
            self.assertIsNotNone(before)
            self.assertLess(len(before), whole.get_vocab_size())
            self.assertEqual([cut.token_to_id(piece) for piece in ("<s>", "<pad>", "</s>", "<unk>")], [0, 1, 2, 3])
            self.assertEqual(cut.truncation, whole.truncation)
            for tokenizer in (whole, cut):
                tokenizer.no_truncation()
            for text in corpus:
                self.assertEqual([before[i] for i in cut.encode(text).ids], whole.encode(text).ids, text)
                self.assertEqual(cut.encode(text).offsets, whole.encode(text).offsets, text)
            for text in [*texts, *awkward]:
                letters = ["".join(tokenizer.encode(text).tokens) for tokenizer in (cut, whole)]
                self.assertEqual(*letters)

    def test_what_is_unknown_is_as_unlikely_as_before(self):
        """Else a text that is unknown in part could be divided in another way, and nothing would be cut."""
        pieces = {"<unk>": 0.0, "a": -5.0, "b": -30.0, "xa": -30.0, "ab": -1.0, "other": -3.0, "zz": -60.0}
        whole = Tokenizer(models.Unigram(list(pieces.items()), 0, False))
        self.assertEqual(whole.encode("xab").tokens, ["xa", "b"])
        cut, before = vocabulary.cut(whole, ["xab", "ab"])
        self.assertEqual(before, [0, 1, 2, 3, 4, 6])
        self.assertEqual(cut.encode("xab").tokens, ["xa", "b"])


if __name__ == "__main__":
    unittest.main()
