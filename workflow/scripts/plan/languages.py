"""The languages that the detector knows (captions/languages.py): codes, and their English names for hints."""

from __future__ import annotations

import difflib
import re

# One test holds these codes against the detector's own.
NAMES = """
af Afrikaans, am Amharic, ar Arabic, as Assamese, az Azerbaijani, be Belarusian, bg Bulgarian, bn Bengali, br Breton,
bs Bosnian, ca Catalan, cs Czech, cy Welsh, da Danish, de German, el Greek, en English, eo Esperanto, es Spanish,
et Estonian, eu Basque, fa Persian, fi Finnish, fr French, fy Frisian, ga Irish, gd Gaelic, gl Galician, gu Gujarati,
ha Hausa, he Hebrew, hi Hindi, hr Croatian, ht Haitian, hu Hungarian, hy Armenian, id Indonesian, ig Igbo, is Icelandic,
it Italian, ja Japanese, jv Javanese, ka Georgian, kk Kazakh, km Khmer, kn Kannada, ko Korean, ku Kurdish, ky Kyrgyz,
la Latin, lg Ganda, ln Lingala, lo Lao, lt Lithuanian, lv Latvian, mg Malagasy, mk Macedonian, ml Malayalam,
mn Mongolian, mr Marathi, ms Malay, my Burmese, ne Nepali, nl Dutch, no Norwegian, om Oromo, or Odia, pa Punjabi,
pl Polish, ps Pashto, pt Portuguese, qu Quechua, ro Romanian, ru Russian, sa Sanskrit, si Sinhala, sk Slovak,
sl Slovenian, so Somali, sq Albanian, sr Serbian, sv Swedish, sw Swahili, ta Tamil, te Telugu, th Thai, tl Tagalog,
tr Turkish, ug Uyghur, uk Ukrainian, ur Urdu, uz Uzbek, vi Vietnamese, xh Xhosa, yo Yoruba, zh Chinese, zu Zulu,
ace Acehnese, bcl Bikol, dz Dzongkha, ext Extremaduran, gcf Guadeloupean Creole, gom Konkani, grc Ancient Greek,
gug Guarani, hbo Biblical Hebrew, kik Kikuyu, nso Northern Sotho, pcm Nigerian Pidgin, rw Kinyarwanda, se Northern Sami,
sn Shona, st Southern Sotho, an Aragonese, ary Moroccan Arabic, crh Crimean Tatar, fo Faroese, fuv Fulfulde,
gcr Guianese Creole, guw Gun, kab Kabyle, lb Luxembourgish, lij Ligurian, ltg Latgalian, uzs Southern Uzbek, wa Walloon,
sdh Southern Kurdish, arz Egyptian Arabic, ba Bashkir, mt Maltese, nn Norwegian Nynorsk, oc Occitan, tg Tajik,
tk Turkmen, tt Tatar, vec Venetian, vo Volapük, wuu Wu Chinese, yue Cantonese
"""
LANGUAGES = {code: name for code, _, name in (entry.partition(" ") for entry in re.split(r",\s+", NAMES.strip()))}
# How speakers call them, and the three letters of ISO 639-2, of languages that captions are often in.
OTHER_NAMES = {
    **dict.fromkeys(("eng", "englisch", "anglais", "inglés"), "en"),
    **dict.fromkeys(("deu", "ger", "deutsch"), "de"),
    **dict.fromkeys(("fra", "fre", "français", "francais"), "fr"),
    **dict.fromkeys(("spa", "español", "espanol"), "es"),
    **dict.fromkeys(("ita", "italiano"), "it"),
    **dict.fromkeys(("por", "português", "portugues"), "pt"),
    **dict.fromkeys(("zho", "chi", "mandarin", "中文"), "zh"),
    **dict.fromkeys(("jpn", "日本語"), "ja"),
    **dict.fromkeys(("gr", "gre", "ell"), "el"),
    **dict.fromkeys(("cz", "ces", "cze"), "cs"),
    **dict.fromkeys(("jp",), "ja"),
    **dict.fromkeys(("cn",), "zh"),
}


def language_fault(language: str | None) -> str | None:
    """What is wrong with a language code of the configuration; None where nothing is."""
    if language is None or language in LANGUAGES:
        return None
    code = nearest_code(language)
    hint = f"did you mean {code!r} ({LANGUAGES[code]})?" if code else f"there are: {', '.join(LANGUAGES)}"
    return f"{language!r} is no language code that the detector knows; {hint}"


def nearest_code(text: str) -> str | None:
    """The code of a language that is written as a name, in another case, or with a region (en-US)."""
    codes = {**OTHER_NAMES, **{name.lower(): code for code, name in LANGUAGES.items()}}
    word = text.strip().lower()
    beginning = re.split(r"[-_ ]", word)[0]
    for known in (word, beginning):
        if known in LANGUAGES or known in codes:
            return codes.get(known, known)
    near = difflib.get_close_matches(word, codes, n=1)
    return codes[near[0]] if near else None
