"""Makes the tiny random encoders of `fixtures/encoders`, one per family, and the vectors that sentence-transformers
computes with them.

    pip install sentence-transformers==6.2.0 transformers==5.23.0 torch
    python tests/parity/make_encoders.py

Weights are drawn far wider than a trained model's, so that texts differ and an approximation (a tanh GELU for the exact
one, a position off by one) moves a vector visibly. They are rounded to f16 first, and the reference is computed in f32
from the rounded ones, each text alone and without padding.
"""

import json
import pathlib
import shutil

import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent / "fixtures" / "encoders"
LIMIT = 48

TEXTS = [
    "a",
    "refund",
    "Where is my parcel?",
    "I was charged twice for the same order, please refund one of them.",
    "The app crashes when I open the settings page on my phone.",
    "HOW DO I RESET MY PASSWORD",
    "Reset; the... password!!! (again)",
    "naïve café, Zürich, Ærøskøbing",
    "请问我的包裹在哪里",
    "パスワードを忘れました",
    "Где моя посылка?",
    "😀 thanks 👍🏽",
    "line one\nline two\tand a tab",
    "control \u0001 characters \u0007 here",
    "12345 67.89 2026-11-21 #42",
    "https://example.org/a?b=c&d=e",
    "print('hello world')",
    "word " * 2000,
    "the order the parcel the refund the password " * 4,
    "x" * 300,
]


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.decoder = decoders.WordPiece()
    names = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.Metaspace()
    names = dict(pad_token="<pad>", unk_token="<unk>", cls_token="<s>", sep_token="</s>", mask_token="<mask>")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", **names)


def byte_bpe(special, template):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=list(special), initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in special]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def modernbert_tokenizer():
    tokenizer = byte_bpe(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], "[CLS] $A [SEP]")
    names = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def qwen_tokenizer():
    tokenizer = byte_bpe(["<|endoftext|>", "<|im_start|>"], "$A <|endoftext|>")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|endoftext|>", padding_side="left"
    )


def families():
    """Name, tokenizer, model, pooling, prompt, prefix of the weights' names in the file."""
    t = transformers
    small = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    bert = dict(**small, vocab_size=200, max_position_embeddings=64, pad_token_id=0)
    yield "bert-mean", wordpiece(), t.BertModel(t.BertConfig(**bert)), "mean", "", ""
    yield "bert-cls", wordpiece(), t.BertModel(t.BertConfig(**bert)), "cls", "", "bert."
    config = t.DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=200, max_position_embeddings=64)
    yield "distilbert", wordpiece(), t.DistilBertModel(config), "mean", "", ""
    # 48 tokens and the two positions that RoBERTa reserves: the longest text uses the last one.
    config = t.XLMRobertaConfig(**small, vocab_size=200, max_position_embeddings=50, pad_token_id=1, type_vocab_size=1)
    yield "xlm-roberta", unigram(), t.XLMRobertaModel(config), "cls", "", "roberta."
    config = t.ModernBertConfig(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=48, vocab_size=300,
        max_position_embeddings=64, local_attention=8, pad_token_id=0, cls_token_id=2, sep_token_id=3,
        bos_token_id=2, eos_token_id=3,
    )
    yield "modernbert", modernbert_tokenizer(), t.ModernBertModel(config), "mean", "search_query: ", ""
    config = t.NomicBertConfig(**small, vocab_size=200, max_position_embeddings=64)
    yield "nomic", wordpiece(), t.NomicBertModel(config), "mean", "clustering: ", ""
    config = t.Qwen3Config(
        **small, num_key_value_heads=2, head_dim=16, vocab_size=300, max_position_embeddings=64,
        eos_token_id=0, pad_token_id=0, tie_word_embeddings=True,
    )
    yield "qwen3", qwen_tokenizer(), t.Qwen3Model(config), "lasttoken", "Instruct: topic\nQuery:", ""


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                scale = 1.0 if "embed" in name else 1.5 / weight.shape[1] ** 0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
            elif name.endswith("bias"):
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
            else:
                weight.copy_(1 + torch.randn(weight.shape, generator=generator) * 0.2)
    return model.half().float().eval()


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / "texts.json").write_text(json.dumps(TEXTS, ensure_ascii=False, indent=0) + "\n")
    for seed, (name, tokenizer, model, pooling, prompt, prefix) in enumerate(families()):
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        plain = folder / "plain"
        randomize(model, seed).save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        modules = [Transformer(str(plain), max_seq_length=LIMIT), Pooling(model.config.hidden_size, pooling), Normalize()]
        prompts = dict(prompts={"default": prompt}, default_prompt_name="default") if prompt else {}
        encoder = SentenceTransformer(modules=modules, device="cpu", **prompts)
        vectors = encoder.encode(TEXTS, batch_size=1, convert_to_tensor=True).float()
        encoder.save(str(folder), create_model_card=False)
        shutil.rmtree(plain)
        weights = load_file(folder / "model.safetensors")
        weights = {prefix + key: value.half().contiguous() for key, value in weights.items()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        save_file({"vectors": vectors.contiguous()}, folder / "vectors.safetensors")
        spread = vectors @ vectors.T
        print(name, sorted(weights)[:3], "mean cosine between texts", float(spread.mean()))


main()
