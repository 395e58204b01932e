"""A Unigram tokenizer made as XLM-RoBERTa's was: SentencePiece divides the texts of multilingual.txt into pieces and
gives its normalizer, transformers puts them in fairseq's order."""

import io

import sentencepiece
import transformers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer

PIECES = 490


def sentence_piece(texts):
    """SentencePiece's own model of some texts, with the normalizer that XLM-RoBERTa has."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, model_type="unigram", vocab_size=PIECES,
        normalization_rule_name="nmt_nfkc", character_coverage=1.0, num_threads=1, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


def unigram(texts, max_length):
    """That model as a tokenizer.json, cut at `max_length` tokens."""
    model = sentencepiece_model_pb2.ModelProto.FromString(sentence_piece(texts))
    # SentencePiece's own first three, <unk>, <s> and </s>, stand elsewhere in fairseq's order.
    first = [(piece, 0.0) for piece in ("<s>", "<pad>", "</s>", "<unk>")]
    pieces = [(piece.piece, piece.score) for piece in model.pieces[3:]]
    made = transformers.XLMRobertaTokenizer(
        vocab=[*first, *pieces, ("<mask>", 0.0)],
        _spm_precompiled_charsmap=model.normalizer_spec.precompiled_charsmap,
    )
    result = Tokenizer.from_str(made.backend_tokenizer.to_str())
    result.enable_truncation(max_length)
    return result
