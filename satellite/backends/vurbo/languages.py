"""Language codes of Vurbo voice-translation: BCP 47 with a region, and how replies are told apart (reference §3).

Users write `en` as for every other service; the service wants `en-US`. What comes back is published as it was written.
"""

import re
from collections.abc import Iterable, Mapping

AUTO = "auto"


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


REGIONAL: Mapping[str, str] = _pairs(
    "af=af-ZA am=am-ET ar=ar-SA az=az-AZ bg=bg-BG bn=bn-IN bs=bs-BA ca=ca-ES cs=cs-CZ cy=cy-GB da=da-DK de=de-DE "
    "el=el-GR en=en-US es=es-ES et=et-EE eu=eu-ES fa=fa-IR fi=fi-FI fil=fil-PH fr=fr-FR ga=ga-IE gl=gl-ES gu=gu-IN "
    "he=he-IL hi=hi-IN hr=hr-HR hu=hu-HU hy=hy-AM id=id-ID is=is-IS it=it-IT ja=ja-JP jv=jv-ID ka=ka-GE kk=kk-KZ "
    "km=km-KH kn=kn-IN ko=ko-KR lo=lo-LA lt=lt-LT lv=lv-LV mk=mk-MK ml=ml-IN mn=mn-MN mr=mr-IN ms=ms-MY mt=mt-MT "
    "my=my-MM nb=nb-NO ne=ne-NP nl=nl-NL no=nb-NO pa=pa-IN pl=pl-PL ps=ps-AF pt=pt-BR ro=ro-RO ru=ru-RU si=si-LK "
    "sk=sk-SK sl=sl-SI so=so-SO sq=sq-AL sr=sr-RS su=su-ID sv=sv-SE sw=sw-KE ta=ta-IN te=te-IN th=th-TH tl=fil-PH "
    "tr=tr-TR uk=uk-UA ur=ur-PK uz=uz-UZ vi=vi-VN zh=zh-CN zu=zu-ZA zh-hans=zh-CN zh-hant=zh-TW"
)
"""By tag in lower case; the region that most speakers, or the plain tag of other services, stand for."""

_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,7}")
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my", "yue"})


def primary(tag: str) -> str:
    """The language without region and script, lower case."""
    return tag.partition("-")[0].lower()


def is_tag(text: object) -> bool:
    """True for what can be a BCP 47 tag, known or not."""
    return isinstance(text, str) and _TAG.fullmatch(text) is not None


def wire_code(tag: str) -> str:
    """How the service spells a language; a tag that is not in the table goes out with its region in capitals."""
    regional = REGIONAL.get(tag.lower())
    if regional is not None:
        return regional
    first, *rest = tag.split("-")
    return "-".join([first.lower(), *(part.upper() if len(part) == 2 else part for part in rest)])


def has_region(tag: str) -> bool:
    """True when what goes out for this tag names a region, as every code of the service does."""
    return "-" in wire_code(tag)


def separator(tag: str) -> str:
    """What stands between two sentences."""
    return "" if primary(tag) in _UNSPACED else " "


def unique(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags without those that mean the same to the service as one before."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(wire_code(tag), tag)
    return tuple(first.values())


def configured_spelling(received: str, configured: Iterable[str]) -> str:
    """The configured tag that a code means: the same to the service, else the only one of its language, else itself."""
    tags = tuple(configured)
    for tag in tags:
        if received.lower() in (tag.lower(), wire_code(tag).lower()):
            return tag
    relatives = [tag for tag in tags if primary(wire_code(tag)) == primary(received)]
    return relatives[0] if len(relatives) == 1 else received
