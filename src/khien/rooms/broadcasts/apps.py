from django.apps import AppConfig


class BroadcastsConfig(AppConfig):
    name = "khien.rooms.broadcasts"
    label = "broadcasts"

    def ready(self) -> None:
        from khien.gateways.sms import carriers
        from khien.rooms.broadcasts import announce
        from khien.rooms.broadcasts.reads.carriers import code_of

        announce.announce()
        carriers.route_by(code_of)
