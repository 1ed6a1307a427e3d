"""What is wrong in `[http.NAME]` is found before a call, and told in one line with the file, the key and the fix."""

import pytest

from conversation.agents.agent import AgentError
from conversation.agents.files import load_agent

GOOD = """
greeting = "Hello."
instructions = "Help."
[variables]
shop = "shoes"
[http.check_stock]
description = "How many of {{ shop }} there are."
url = "https://shop.example.com/stock/{{ sku }}?size={{ size }}"
answer = "items[0].count"
filler = "Let me look."
timeout_secs = 3
env = ["SHOP_KEY"]
headers = { Authorization = "Bearer {{ env.SHOP_KEY }}" }
[http.check_stock.parameters.sku]
description = "The number of the article."
[http.check_stock.parameters.size]
type = "integer"
description = "The size."
default = 42
[http.order]
description = "Order."
method = "POST"
url = "{{ env.SHOP_URL }}/orders"
env = ["SHOP_URL"]
body = { order = { sku = "{{ sku }}", from = "{{ caller_number }}", tags = ["phone", "{{ shop }}"] } }
[http.order.parameters.sku]
description = "What."
enum = ["a", "b"]
"""


def mistake(tmp_path, text):
    (tmp_path / "shop.toml").write_text(text, encoding="utf-8")
    with pytest.raises(AgentError) as raised:
        load_agent("shop", tmp_path)
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith("shop.toml")
    return line


def test_a_good_table_loads(tmp_path):
    (tmp_path / "shop.toml").write_text(GOOD, encoding="utf-8")
    agent = load_agent("shop", tmp_path)
    assert list(agent.http) == ["check_stock", "order"]
    parameters = agent.http["check_stock"].parameters
    assert [one.must_be_given for one in parameters.values()] == [True, False]
    keys = [key for key, _ in agent.templates()]
    assert {"http.check_stock.description", "http.check_stock.filler"} <= set(keys)
    assert not [key for key in keys if key.startswith("http.") and key.endswith((".url", ".answer"))]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("timeout_secs = 3", "time_out = 3", ["http.check_stock.time_out", "unknown key", "timeout_secs"]),
        ("timeout_secs = 3", "timeout_secs = 300", ["http.check_stock.timeout_secs", "30"]),
        ('method = "POST"', 'method = "SEND"', ["http.order.method", "'GET', 'POST'"]),
        ("{{ sku }}?", "{{ skuu }}?", ["http.check_stock.url", "skuu", "[variables]"]),
        ("{{ sku }}?", "{{ sku ?", ["http.check_stock.url", "not a template"]),
        ("{{ sku }}?", "{{ sku | nofilter }}?", ["http.check_stock.url", "nofilter"]),
        ("{{ sku }}?", "{{ sku | urlencode }}?", ["http.check_stock.url", "encoded already"]),
        (
            "Bearer {{ env.SHOP_KEY }}",
            "{{ env.KEY }}",
            ["http.check_stock.headers.Authorization", '"KEY"', "env"],
        ),
        ("Bearer {{ env.SHOP_KEY }}", "{{ env }}", ["http.check_stock.headers.Authorization", "env.NAME"]),
        ("Bearer {{ env.SHOP_KEY }}", "{% set env = 1 %}", ["headers.Authorization", "env.NAME"]),
        ("Authorization", "Host", ["http.check_stock.headers", "Host", "remove"]),
        ("Authorization", '"Bad name"', ["http.check_stock.headers", "Bad name"]),
        ('"items[0].count"', '"items[0"', ["http.check_stock.answer", "JMESPath"]),
        ('"items[0].count"', '"nothing_known(@)"', ["http.check_stock.answer", "nothing_known"]),
        ("https://shop", "http://shop", ["http.check_stock.url", "https"]),
        ("https://shop", "ftp://shop", ["http.check_stock.url", "https"]),
        ("https://shop", "https://me:secret@shop", ["http.check_stock.url", "Authorization"]),
        ("https://shop", "https://{{ sku }}", ["http.check_stock.url", "host"]),
        ("?size={{ size }}", "?{{ size }}=1", ["http.check_stock.url", "query"]),
        ("?size={{ size }}", "?{{ size }}", ["http.check_stock.url", "query"]),
        ("?size={{ size }}", "#{{ size }}", ["http.check_stock.url", "fragment"]),
        ("/stock/{{ sku }}", "/../{{ sku }}", ["http.check_stock.url", "dots"]),
        ("[http.order", "[http.end_call", ["http.end_call", "already"]),
        ("[http.order", '[http."or der"', ["http.or der", "letters"]),
        ("parameters.size", "parameters.caller_number", ["parameters.caller_number", "already"]),
        ("parameters.size", "parameters.shop", ["parameters.shop", "already"]),
        ("parameters.size", 'parameters."a-b"', ["parameters.a-b", "letters"]),
        ("parameters.size", "parameters.env", ["parameters.env", "already"]),
        ("default = 42", 'default = "big"', ["parameters.size", "'big' is no integer"]),
        ("default = 42", "default = true", ["parameters.size", "true is no integer"]),
        ("default = 42", "default = 42\nrequired = true", ["parameters.size", "default"]),
        ("default = 42", "default = 42\nenum = [1]", ["parameters.size", "enum"]),
        ('enum = ["a", "b"]', "enum = []", ["parameters.sku", "enum"]),
        ('"{{ caller_number }}"', "2026-01-01", ["http.order", "date"]),
        ('"{{ caller_number }}"', '"{{ caler }}"', ["http.order.body.order.from", "caler"]),
        ('"{{ shop }}"]', '"{{ shop }"]', ["http.order.body.order.tags[1]", "not a template"]),
        ('env = ["SHOP_URL"]', "env = []", ["http.order.url", "SHOP_URL"]),
        ('env = ["SHOP_URL"]', 'env = ["shop url"]', ["http.order.env", "shop url"]),
        ('method = "POST"', 'method = "DELETE"', ["http.order", "body goes with POST"]),
        ('description = "Order."', "", ["http.order.description", "missing"]),
    ],
)
def test_a_mistake_is_one_line(tmp_path, old, new, said):
    assert old in GOOD
    line = mistake(tmp_path, GOOD.replace(old, new))
    assert [word for word in said if word not in line] == [], line


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:80", "https://shop.example.com:8443"]
)
def test_this_machine_may_be_asked_without_tls(tmp_path, host):
    (tmp_path / "shop.toml").write_text(GOOD.replace("https://shop.example.com", host), encoding="utf-8")
    load_agent("shop", tmp_path)


def test_an_http_tool_may_be_named_in_tools(tmp_path):
    (tmp_path / "shop.toml").write_text('tools = ["end_call", "order"]' + GOOD, encoding="utf-8")
    assert load_agent("shop", tmp_path).tools == ["end_call", "order"]
    assert "did you mean 'order'" in mistake(tmp_path, 'tools = ["oder"]' + GOOD)
