"""The link checker finds what is dead and only that."""

from tools import links


def test_dead_links_are_found_and_live_ones_are_not(tmp_path):
    (tmp_path / "there.md").write_text("# Một tiêu đề\n\n## Same\n## Same\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#một-tiêu-đề) [c](#here) [d](https://example.org) `[x](y)`\n"
        "# Here\n```\n[in code](nowhere)\n```\n"
        "[gone](gone.md) [no heading](there.md#other) [second](there.md#same-1)\n"
    )
    assert list(links.dead_links(page)) == [(6, "gone.md"), (6, "there.md#other")]
    assert links.documents(tmp_path) == [page, tmp_path / "there.md"]
