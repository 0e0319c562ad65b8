"""Makes texts.jsonl and vectors.npy: what sentence-transformers says about texts of every kind that we could think of.

    python make_golden.py UPSTREAM

UPSTREAM is a copy of https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 with its f32 weights. Made with
sentence-transformers 6.2.0, transformers 5.23.0 and torch 2.15.0 on a CPU, one text per batch.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

WORDS = (
    "the a of to and river cloud engine purple seven quickly under bread music window teacher reads slow bright "
    "kernel tensor gradient harbour velvet invoice refund customer parcel delayed winter train station coffee "
    "mountain question answer why because although never always maybe paint number table whale antique zephyr"
).split()

WRITTEN = [
    # One character, one word.
    "a", "Z", "7", ".", "?", "é", "ß", "ж", "中", "あ", "ك", "א", "ก", "한", "🙂", "∑", "€", "\\", "\"", "'",
    "hello", "Hello", "HELLO", "antidisestablishmentarianism", "naïve", "Straße", "ﬁne", "Ⅷ", "ÅNGSTRÖM", "i̇stanbul",
    "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "[MASK] is a token", "##ing", "cls sep", "</s>", "<pad>",
    # Sentences.
    "My parcel has not arrived and the tracking page shows nothing new since Monday.",
    "How do I reset the password of my account?",
    "The mitochondrion is the powerhouse of the cell.",
    "I would like to book a table for two at 7:30 p.m. tomorrow.",
    "Please translate 'good morning' into Portuguese, and say it slowly.",
    "Buy one, get one free!!! Limited offer, today only!!!",
    "we didn't, they couldn't've, y'all shouldn't; o'clock rock'n'roll",
    "The quick brown fox jumps over the lazy dog.",
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG.",
    "In 1969, two people walked on the Moon; it took 8 days, 3 hours, 18 minutes and 35 seconds.",
    "-40 °C equals -40 °F, and 3.14159 < π < 22/7.",
    "E = mc², a² + b² = c², x₁ ≤ x₂ ⇒ ∀ε>0 ∃δ>0",
    "$1,234,567.89 + 5% tax = €1.296.296,28 (approx.)",
    "It was the kind of evening on which even the clocks seemed to be waiting for somebody to say something.",
    "To whom it may concern: I hereby give notice that the contract ends on 31 December.",
    "no punctuation no capitals just words one after another until it stops",
    "Yes.", "No!", "Really?!", "...", "--", "***", "(((())))", "a.b.c.d.e.f", "1", "12", "123456789012345678901234567890",
    "1e-5", "0x1F600", "3/4", "50%", "#hashtag @mention", "C++", "C#", "F#", ".NET", "R&D", "AT&T", "rock & roll",
    # Languages and scripts.
    "Où est la bibliothèque ? Je l'ai cherchée pendant des heures.",
    "Können Sie mir bitte sagen, wie ich zum Bahnhof komme?",
    "¿Dónde está la estación de tren más cercana?", "Gdzie jest najbliższa apteka?", "Nerede kalıyorsunuz, İstanbul'da mı?",
    "Что делать, если посылка не пришла?", "Καλημέρα, τι κάνετε;", "שלום, מה שלומך היום?", "مرحبا، كيف حالك اليوم؟",
    "नमस्ते, आप कैसे हैं?", "สวัสดีครับ วันนี้อากาศดี", "こんにちは、今日はいい天気ですね。", "東京は日本の首都です。",
    "北京是中国的首都，人口超过两千万。", "안녕하세요, 오늘 날씨가 좋네요.", "Xin chào, bạn có khỏe không?", "გამარჯობა", "ሰላም ለዓለም",
    "English mit Deutsch et français и русский 和中文 mixed together",
    "مرحبا hello שלום", "e\u0301 vs é, n\u0303 vs ñ", "ｆｕｌｌｗｉｄｔｈ　ｔｅｘｔ", "𝓯𝓪𝓷𝓬𝔂 𝕞𝕒𝕥𝕙 𝐭𝐞𝐱𝐭", "Z̷a̸l̶g̵o̴ t̶e̷x̸t̵",
    # Emoji.
    "😀😃😄😁", "👨‍👩‍👧‍👦", "👍🏽 great job", "🇫🇷🇯🇵", "I ❤️ pizza 🍕 and ☕", "(╯°□°)╯︵ ┻━┻", "¯\\_(ツ)_/¯", "☃",
    # White space and control characters.
    " leading", "trailing ", "  double  spaces  ", "tab\tseparated\tvalues", "line\nbreak", "carriage\r\nreturn",
    "\u00a0non-breaking\u00a0space\u00a0", "thin\u2009space", "zero\u200bwidth\u200dspace", "soft\u00adhyphen", "\ufeffbyte order mark",
    "nul\u0000byte", "\u0001\u0002\u0003", "bell\u0007 and escape\u001b[31mred\u001b[0m", "del\u007f", "\ufffd replaced \ufffd",
    "private \ue000 use", "line\u2028separator\u2029", "next\u0085line", "\u202eright to left override\u202c", " ", "\t\n", "",
    # Code, markup, addresses.
    "fn main() { println!(\"Hello, {}!\", name); }", "def f(x):\n    return x ** 2 if x > 0 else -x\n",
    "SELECT id, COUNT(*) FROM orders WHERE paid = 1 GROUP BY id HAVING COUNT(*) > 3;",
    "for (int i = 0; i < n; ++i) { a[i] <<= 2; }", "const f = async () => await fetch(`/api/${id}`);",
    "<p class=\"x\">Hello &amp; <b>welcome</b></p>", "{\"role\": \"user\", \"content\": \"hi\"}", "# Title\n\n- one\n- two\n\n**bold**",
    "https://example.com/a/b?q=1&r=%20two#three", "user.name+tag@example.co.uk", "/usr/local/bin/tool --flag=value -x",
    "C:\\Program Files\\Tool\\tool.exe", "192.168.0.1:8080", "2024-02-29T23:59:60Z", "deadbeefcafebabe0123456789abcdef",
    "git commit -m \"fix: off-by-one (closes #42)\"", "\\frac{\\partial f}{\\partial x} = \\lim_{h \\to 0}", "AAAA" * 20,
    "snake_case_name camelCaseName PascalCaseName kebab-case-name SCREAMING_SNAKE",
]


def generated() -> list[str]:
    rng = random.Random(20_240_229)

    def words(n: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(n))

    texts = [words(n) for n in range(2, 40)]
    # Around the limit of 256 tokens, special tokens included, and far beyond it.
    texts += [" ".join(["river"] * n) for n in (1, 2, 60, 127, 128, 129, 252, 253, 254, 255, 256, 257, 510, 512, 2000)]
    texts += [words(n) for n in (64, 100, 150, 200, 240, 300, 400, 1000, 2000)]
    # Words of 100 characters are the longest that are split; longer ones are unknown as a whole.
    texts += ["x" * n for n in (99, 100, 101, 1000)]
    texts += ["中文" * 64, "中" * 300, "🙂" * 300, "no" * 400, "a " * 300, ". " * 300, "1 " * 130]
    # Any characters.
    ranges = [(0x20, 0x7F), (0xA0, 0x24F), (0x370, 0x5FF), (0x600, 0x1FFF), (0x2000, 0x2BFF), (0x3000, 0x9FFF), (0x1F300, 0x1FAFF)]
    for low, high in ranges:
        texts += ["".join(chr(rng.randrange(low, high)) for _ in range(n)) for n in (5, 30, 120)]
    return texts


def main() -> None:
    torch.manual_seed(0)
    model = SentenceTransformer(sys.argv[1], device="cpu", model_kwargs={"dtype": torch.float32})
    assert model.max_seq_length == 256
    # The upstream tokenizer.json comes with padding and a limit of its own, so the count of tokens is taken without.
    tokenizer = model.tokenizer
    texts = list(dict.fromkeys(WRITTEN + generated()))
    folder = Path(__file__).parent
    with open(folder / "texts.jsonl", "w", encoding="utf-8", newline="\n") as file:
        for text in texts:
            tokens = len(tokenizer(text, truncation=False, padding=False)["input_ids"])
            row = {"text": text, "tokens": min(tokens, 256), "truncated": max(tokens - 256, 0)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    vectors = model.encode(texts, batch_size=1, normalize_embeddings=True).astype("<f4")
    assert vectors.shape == (len(texts), 384) and np.isfinite(vectors).all()
    np.save(folder / "vectors.npy", vectors)
    print(f"{len(texts)} texts, the longest of {max(map(len, texts))} characters")


if __name__ == "__main__":
    main()
