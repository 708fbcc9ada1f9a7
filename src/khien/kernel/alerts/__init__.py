"""Public alerts as other systems read them: CAP 1.2 documents, and the Atom and RSS feeds that list them.

`cap` has the alert and what follows one (`update`, `cancel`), `areas` where it holds, `writing` and `reading` the XML,
`feeds` the two feeds, `publishing` the static files of all of it. Nothing here asks a database or a network.

    alert = cap.Alert(identifier="hn-2022-01", sender="covid@hanam.gov.vn", sent=clock.now(), infos=(info,))
    later = cap.update(alert, identifier="hn-2022-02", sent=clock.now(), infos=(changed,))
    over = cap.cancel(later, identifier="hn-2022-03", sent=clock.now(), note="Hết hiệu lực")
    publishing.publish(
        folder, "https://hanam.gov.vn/canh-bao/", [alert, later, over], title=…, author=…, site="https://hanam.gov.vn/"
    )
"""
