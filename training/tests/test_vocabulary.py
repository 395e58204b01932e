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


if __name__ == "__main__":
    unittest.main()
