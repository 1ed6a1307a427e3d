"""What a caller says can change neither the host of a request nor its path's structure, nor names in its query."""

import json
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from conversation.agents.http_tables import HttpTool
from conversation.agents.http_templates import UnusableValue

SECRETS = {"SHOP_KEY": "geheim/1&x", "SHOP_URL": "https://base.example.com/api/"}
HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet="./\\%25eEfFcC;?#&=@: \r\n\0aA+"),
    st.lists(
        st.sampled_from(
            [
                "..",
                ".",
                "/",
                "\\",
                "%2e",
                "%2F",
                "%252e",
                "%25252F",
                "%c0%ae",
                ";",
                "?",
                "#",
                "&",
                "=",
                "@",
                "‥",
                "／",
                "a",
            ]
        ),
        max_size=6,
    ).map("".join),
)


def tool(**keys) -> HttpTool:
    return HttpTool.model_validate(
        {
            "description": "Look.",
            "url": "https://shop.example.com/stock/{{ sku }}/left?size={{ size }}",
            "parameters": {name: {"description": name} for name in ("sku", "size", "colour")},
            "env": list(SECRETS),
            **keys,
        }
    )


def filled(table: HttpTool, **arguments):
    return table.request.fill(arguments, {"caller_number": "+12025550100"}, SECRETS)


def decoded_again_and_again(text: str) -> str:
    while (once := unquote(text)) != text:
        text = once
    return text


@given(sku=HOSTILE, size=HOSTILE, colour=HOSTILE)
def test_a_value_stays_where_its_template_stands(sku, size, colour):
    try:
        url = filled(tool(), sku=sku, size=size, colour=colour).url
    except UnusableValue:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "shop.example.com", "")
    assert [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)] == ["size", "colour"]
    for path in (parts.path, decoded_again_and_again(parts.path)):
        segments = path.replace("\\", "/").split("/")
        assert len(segments) == 4
        assert (segments[1], segments[3]) == ("stock", "left")
        assert segments[2].partition(";")[0].strip() not in ("", ".", "..")
    # Other readers of addresses see the same: the client that sends it, and aiohttp's.
    for host, raw_path in (
        (httpx.URL(url).host, httpx.URL(url).raw_path.decode()),
        (yarl.URL(url, encoded=True).host, yarl.URL(url).raw_path_qs),
    ):
        assert host == "shop.example.com"
        assert raw_path.partition("?")[0].startswith("/stock/")
        assert raw_path.partition("?")[0].endswith("/left")


@given(value=HOSTILE)
def test_a_value_of_the_query_arrives_as_it_was_given(value):
    url = filled(tool(url="https://shop.example.com/find?q={{ sku }}&n=1"), sku=value).url
    asked = dict(parse_qsl(urlsplit(str(httpx.URL(url))).query, keep_blank_values=True))
    assert asked == {"q": value.encode("utf-8", "replace").decode(), "n": "1"}


@pytest.mark.parametrize(
    "sku",
    [
        "..",
        ".",
        "../orders",
        "a/b",
        "a\\b",
        "%2e%2e",
        "%252e%252e",
        "%25252e%25252e",
        "%2f",
        "..;",
        "..;x",
        " .. ",
        "",
        " ",
        "‥",
        "a／b",
        "a\0",
        "a\nb",
        "%0d",
        "%c0%ae%c0%ae",
        "%" + "25" * 20 + "2e",
    ],
)
def test_what_means_another_path_is_refused(sku):
    with pytest.raises(UnusableValue, match="value for the address"):
        filled(tool(), sku=sku, size="1")


def test_values_beside_each_other_are_looked_at_together():
    with pytest.raises(UnusableValue):
        filled(tool(url="https://shop.example.com/{{ sku }}{{ size }}/x"), sku=".", size=".")


@pytest.mark.parametrize("sku", ["AB-12", "12.5", "...", "a b", "ä", "100%", "1;2", "a?b#c&d=e", "http:x"])
def test_what_is_only_unusual_is_encoded(sku):
    path = urlsplit(filled(tool(), sku=sku, size="1").url).path
    assert path.isascii()
    assert unquote(path) == f"/stock/{sku}/left"


def test_the_address_may_begin_with_a_variable_of_the_environment():
    table = tool(url="{{ env.SHOP_URL }}/stock/{{ sku }}?key={{ env.SHOP_KEY }}")
    assert filled(table, sku="1").url == "https://base.example.com/api/stock/1?key=geheim%2F1%26x"


@pytest.mark.parametrize(
    "url",
    [
        "{{ env.SHOP_URL }}{{ sku }}",
        "https://shop.example.com{{ sku }}/x",
        "https://{{ sku }}.example.com/",
        "{{ sku }}",
    ],
)
def test_a_value_beside_the_host_is_no_part_of_it(url):
    with pytest.raises(UnusableValue):
        tool(url=url).request.fill({"sku": ".evil.example"}, {}, {"SHOP_URL": "https://shop.example.com"})


@pytest.mark.parametrize(
    "base", ["http://shop.example.com", "shop.example.com", "https://a@b.example.com", "https://x?y=1", ""]
)
def test_such_a_variable_is_an_address_that_may_be_asked(base):
    table = tool(url="{{ env.SHOP_URL }}/stock/{{ sku }}")
    with pytest.raises(UnusableValue, match="SHOP_URL"):
        table.request.fill({"sku": "1"}, {}, {"SHOP_URL": base})


def test_parameters_go_in_the_query_or_in_the_body():
    table = tool(url="https://shop.example.com/stock/{{ sku }}")
    assert (
        filled(table, sku="1", colour="red & blue").url
        == "https://shop.example.com/stock/1?colour=red%20%26%20blue"
    )
    posted = filled(
        tool(url="https://shop.example.com/stock/{{ sku }}", method="POST"), sku="1", size=42, colour='"'
    )
    assert posted.url == "https://shop.example.com/stock/1"
    assert json.loads(posted.content) == {"size": 42, "colour": '"'}
    assert posted.headers["content-type"] == "application/json"


def test_a_body_keeps_types_and_is_always_json():
    table = tool(
        method="PUT",
        url="https://shop.example.com/orders",
        parameters={name: {"description": name} for name in ("number", "sku", "size", "colour")},
        body={
            "n": "{{ number }}",
            "note": "For {{ sku }} at {{ caller_number }}",
            "tags": ["{{ colour }}", 1],
            "gone": "{{ size }}",
        },
    )
    body = json.loads(filled(table, sku='"}, {"admin": true', number=3, colour=True).content)
    assert body == {"n": 3, "note": 'For "}, {"admin": true at +12025550100', "tags": [True, 1], "gone": None}


def test_a_form_is_a_form():
    table = tool(
        method="POST",
        url="https://shop.example.com/orders",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body={"To": "{{ sku }}", "admin": "no"},
    )
    assert parse_qsl(filled(table, sku="a&admin=yes").content.decode()) == [
        ("To", "a&admin=yes"),
        ("admin", "no"),
    ]


@given(value=HOSTILE)
def test_a_value_begins_no_header_of_its_own(value):
    table = tool(headers={"X-Article": "{{ sku }}", "Authorization": "Bearer {{ env.SHOP_KEY }}"})
    try:
        headers = (
            filled(table, sku="1", size=value).headers
            | filled(tool(url="https://a.example/", headers={"X-Article": "{{ sku }}"}), sku=value).headers
        )
    except UnusableValue:
        return
    assert "\n" not in headers["x-article"] and "\r" not in headers["x-article"]
    httpx.Request("GET", "https://a.example/", headers=headers)


@given(value=HOSTILE)
def test_a_value_is_no_template(value):
    hostile = value + "{{ env.SHOP_KEY }}{{ 7 * 7 }}"
    table = tool(
        method="POST", url="https://shop.example.com/", body={"sku": "{{ sku }}", "and": "- {{ sku }}"}
    )
    assert b"geheim" not in (filled(table, sku=hostile).content or b"")


def test_what_is_too_long_is_not_sent():
    with pytest.raises(UnusableValue, match="too long"):
        filled(tool(), sku="a" * 5000, size="1")
    with pytest.raises(UnusableValue, match="too long"):
        filled(tool(method="POST"), sku="a", size="1", colour="x" * 200_000)


def test_an_owners_variable_cannot_be_set_by_the_model():
    """The model's arguments are those that the table has; anything else in them is no parameter."""
    table = tool(method="POST", url="https://shop.example.com/", body={"from": "{{ caller_number }}"})
    assert json.loads(filled(table, sku="1").content) == {"from": "+12025550100"}
