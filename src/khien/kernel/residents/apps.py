from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ResidentsConfig(AppConfig):
    name = "khien.kernel.residents"
    label = "residents"

    def ready(self) -> None:
        from khien.kernel.registries import Holding, RetentionRule, holdings, retention
        from khien.kernel.residents import verbs

        retention.add(
            "residents.sign_in",
            RetentionRule(_("Mã đăng nhập và phiên đã hết"), "retention.sign_in", verbs.forget_codes),
        )
        holdings.add("residents.codes", Holding("residents.sign_in", "residents_signincode", "created_at"))
        holdings.add("residents.sessions", Holding("residents.sign_in", "django_session", "expire_date"))
        retention.add(
            "residents.help",
            RetentionRule(_("Phiên làm giúp tại quầy"), "retention.help_sessions", verbs.forget_help),
        )
        holdings.add("residents.help", Holding("residents.help", "residents_helpsession", "started_at"))
