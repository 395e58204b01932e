"""The strings (more than 200) on which the Rust tokenizer must agree with Python's `tokenizers`.

Each is either a string, or (string, times) for one that is too long to write out.
"""

SINGLE = [
    "", " ", "   ", "\t", "\n", "\r\n", "\x00", "a\x00b", "\x00\x00\x00", "\x01\x02\x03", "good\x07food", "\x7f", "\x80\x9f",
    "\u00a0", "a\u00a0b", "\u200b", "foo\u200bbar", "\u200d", "\ufeff", "\ufeffgood food", "\u2028", "line\u2028break",
    "\u3000", "a\u3000b", "\u00ad", "co\u00adoperate", "\ufffd", "bad \ufffd food", "\u202eright to left\u202c", "\u2066x\u2069",
    "a", "I", "Z", "7", ".", ",", "'", '"', "-", "\u2014", "\u2013", "\u2026", "(", "$", "\u20ac", "%", "&", "_", "`", "\\", "/", "~",
]

WORDS = [
    "The food was excellent!", "THE FOOD WAS EXCELLENT!", "tHe FoOd WaS eXcElLeNt", "  leading and trailing  ",
    "tabs\tbetween\twords", "new\nlines\n\nhere", "windows\r\nlines\r\n", "don't can't won't it's I'm we've",
    "don\u2019t can\u2019t \u201cquoted\u201d \u2018single\u2019", "mother-in-law well-cooked state-of-the-art",
    "e.g. i.e. etc. U.S.A.", "Mr. & Mrs. Smith", "rock'n'roll", "O'Brien's", "an_identifier_with_underscores",
    "camelCaseWords", "ALLCAPS", "x=y+z", "a/b/c", "C++ and C#", "50/50", "#hashtag @mention", "AT&T", "B&B",
    "supercalifragilisticexpialidocious", "antidisestablishmentarianism", "pneumonoultramicroscopicsilicovolcanoconiosis",
    "unbelievableness of reheatedness", "zzyzx qwrtpsdf", "hmmmmmmmm", "sooooooo goooooood", "aaaaaaaaaaaaaaaaaaaa",
]

NUMBERS = [
    "0", "1234567890", "3.14159", "1,000,000", "$12.99", "\u00a312.99", "\u20ac9,99", "12:30pm", "24/7", "5 stars / 10", "99.9%", "1e-10", "-40\u00b0F",
    "2023-11-24T03:59:59Z", "+1 (555) 010-9999", "192.0.2.1", "0xDEADBEEF", "\u00bd cup", "x\u00b2 + y\u00b3", "H\u2082O", "\u2167", "\u2460\u2461\u2462",
    "\uff11\uff12\uff13", "\u0663\u0664\u0665", "1st 2nd 3rd 4th",
]

PUNCTUATION = [
    "!!!", "???!!!", "......", "-----", "=====", "*****", "~~~~~", "#####", ":-) ;-) :( :D <3 ^_^", "\u00bfQu\u00e9? \u00a1S\u00ed!",
    "\u00ab guillemets \u00bb", "\u300cquote\u300d\u3001\u3002", "[brackets] {braces} <angles>", "a,b;c:d.e", "\u2022 bullet \u25cf dot", "\u2122\u00ae\u00a9", "\u2192 \u2190 \u21d2",
    "\u2211\u222b\u221a\u221e\u2260\u2264", "\u2588\u2588\u2588\u2591", "|pipe|pipe|", "$$$", "\u00a7 5", "\u2020\u2021", "wait...what?!", "\uff01\uff1f\uff0c",
]

SPECIAL = [
    "[MASK]", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[mask]", "[ MASK ]", "[MASK][MASK]", "the [MASK] was good", "[CLS] hello [SEP]",
    "good[SEP]bad", "[MASK", "MASK]", "##ing", "un##able", "<s> </s> <unk>", "{{template}}", "<b>bold</b> &amp; &nbsp;",
]

ACCENTS = [
    "caf\u00e9", "cafe\u0301", "CAF\u00c9", "na\u00efve r\u00e9sum\u00e9 fa\u00e7ade", "cre\u0300me bru\u0302le\u0301e", "jalape\u00f1o", "jalapen\u0303o",
    "\u00c5ngstr\u00f6m", "\u212bngstr\u00f6m", "Stra\u00dfe", "STRASSE \u1e9e", "\u0130stanbul \u0131s\u0131", "\u01c5 \u01c6", "\ufb01ne \ufb02our", "\u0152uvre", "\u00e6ther",
    "Z\u0351\u036b\u0343a\u0310\u030al\u0313g\u0306o\u0308", "\u0301", "a\u0301\u0301\u0301\u0301", "\u1eadn ph\u1edf V\u0129nh", "\u0141\u00f3d\u017a \u017c\u00f3\u0142w", "\u0e01\u0e33",
    "\uff26\uff55\uff4c\uff4c\uff57\uff49\uff44\uff54\uff48", "\U0001d4d7\U0001d4ee\U0001d4f5\U0001d4f5\U0001d4f8", "\u0391\u03a3 \u03c3\u03c2", "\u1f08\u03c7\u03b9\u03bb\u03bb\u03b5\u03cd\u03c2",
]

SCRIPTS = [
    "\u5f88\u597d\u5403", "\u6599\u7406\u304c\u7f8e\u5473\u3057\u3044\u3067\u3059", "\u30e9\u30fc\u30e1\u30f3", "\uff97\uff70\uff92\uff9d", "\uc74c\uc2dd\uc774 \ub9db\uc788\uc5b4\uc694", "\u1112\u1161\u11ab", "\u0627\u0644\u0637\u0639\u0627\u0645 \u0644\u0630\u064a\u0630",
    "\u0627\u0644\u0637\u0651\u064e\u0639\u064e\u0627\u0645", "\u05d4\u05d0\u05d5\u05db\u05dc \u05d8\u05e2\u05d9\u05dd", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u0e2d\u0e32\u0e2b\u0e32\u0e23\u0e2d\u0e23\u0e48\u0e2d\u0e22\u0e21\u0e32\u0e01", "\u0916\u093e\u0928\u093e \u0905\u091a\u094d\u091b\u093e \u0925\u093e", "\u0420\u0435\u0441\u0442\u043e\u0440\u0430\u043d \u0445\u043e\u0440\u043e\u0448\u0438\u0439, \u0451\u043b\u043a\u0430 \u0439\u043e\u0433",
    "\u03a4\u03bf \u03c6\u03b1\u03b3\u03b7\u03c4\u03cc", "\u10e1\u10d0\u10ed\u10db\u10d4\u10da\u10d8", "\u057d\u0576\u0578\u0582\u0576\u0564", "\U00020000\U0002a6df", "food\u5f88good\u597d", "\u0939\u093f\u0928\u094d\u0926\u0940 \u200d\u0915\u094d\u200d\u0937", "\U00010330\U00010331",
]

EMOJI = [
    "\U0001f600", "great \U0001f44d", "\U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f1eb\U0001f1f7\U0001f1ef\U0001f1f5", "\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001f3f4\u200d\u2620\ufe0f", "\U0001f469\U0001f3fe\u200d\U0001f373 cooked",
    "\U0001f355\U0001f355\U0001f355", "food\U0001f602was\U0001f602bad", "\ufe0f", "\U000e0067", "\uf8ff private use", "\U0010ffff", "\ue000\U000f0000",
]

ADDRESSES = [
    "https://example.com/a/b?c=d&e=f#g", "www.example.org", "someone+tag@example.com", "C:\\Program Files\\x.exe", "/usr/local/bin",
    "SELECT * FROM t WHERE a='b';", "def f(x): return x**2", '{"a": [1, null, true]}', "rm -rf \"$HOME\"; echo 'done'", "\\u0041 \\n %20 &#65;",
]

LONG = [
    ("a", 99), ("a", 100), ("a", 101), ("b", 5000), ("good", 60), ("\u00e9", 100), ("\u00e9", 101), ("e\u0301", 60), ("\u5f88", 300), ("!", 1000), ("\U0001f600", 200),
    ("word ", 125), ("word ", 126), ("word ", 127), ("word ", 128), ("The food was cold, the service slow. ", 20), ("unbelievableness ", 50),
    (" ", 100000), ("The soup was good. ", 5264), ("x", 100000), ("\x00", 1000), ("[MASK] ", 200), ("a\u0301b ", 70), ("\u0e01", 500),
    ("caf\u00e9\u00a0", 90), ("7", 150), ("$9.99 ", 60), ("\n", 500),
]

STRINGS = SINGLE + WORDS + NUMBERS + PUNCTUATION + SPECIAL + ACCENTS + SCRIPTS + EMOJI + ADDRESSES + LONG
