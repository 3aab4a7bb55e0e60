"""English names of languages, for the names of things that people see."""

from collections.abc import Mapping


def _names(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


_NAMES: Mapping[str, str] = _names(
    "af=Afrikaans am=Amharic ar=Arabic az=Azerbaijani ba=Bashkir be=Belarusian bg=Bulgarian bn=Bengali bs=Bosnian "
    "ca=Catalan cs=Czech cy=Welsh da=Danish de=German el=Greek en=English eo=Esperanto es=Spanish et=Estonian "
    "eu=Basque fa=Persian fi=Finnish fil=Filipino fr=French ga=Irish gl=Galician gu=Gujarati he=Hebrew hi=Hindi "
    "hr=Croatian hu=Hungarian hy=Armenian ia=Interlingua id=Indonesian is=Icelandic it=Italian ja=Japanese "
    "jv=Javanese ka=Georgian kk=Kazakh km=Khmer kn=Kannada ko=Korean lo=Lao lt=Lithuanian lv=Latvian mk=Macedonian "
    "ml=Malayalam mn=Mongolian mr=Marathi ms=Malay mt=Maltese my=Burmese nb=Norwegian ne=Nepali nl=Dutch "
    "no=Norwegian pa=Punjabi pl=Polish ps=Pashto pt=Portuguese ro=Romanian ru=Russian si=Sinhala sk=Slovak "
    "sl=Slovenian so=Somali sq=Albanian sr=Serbian su=Sundanese sv=Swedish sw=Swahili ta=Tamil te=Telugu th=Thai "
    "tl=Tagalog tr=Turkish ug=Uyghur uk=Ukrainian ur=Urdu uz=Uzbek vi=Vietnamese yue=Cantonese zh=Chinese zu=Zulu"
)


def language_name(tag: str) -> str:
    """`de` is German, `pt-BR` Portuguese (BR); a tag without a name stands for itself."""
    first, _, rest = tag.partition("-")
    name = _NAMES.get(first.lower())
    if name is None:
        return tag
    return f"{name} ({rest})" if rest else name
