import pathlib
import sys
import unittest

from tokenizers import Tokenizer, models, pre_tokenizers, processors

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

    def test_other_vocabularies_stay_whole(self):
        tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
        same, before = vocabulary.cut(tokenizer, ["a"])
        self.assertIs(same, tokenizer)
        self.assertIsNone(before)
        self.assertEqual(vocabulary.padding(same), 0)
        tokenizer.add_special_tokens(["<pad>"])
        self.assertEqual(vocabulary.padding(tokenizer), 3)


if __name__ == "__main__":
    unittest.main()
