"""The words of attacks in many languages, by concept. One letter stands for one concept.

Words are folded: lower case, without accents. A `*` ends a stem. `terms` has those of scripts without spaces.
"""

from __future__ import annotations

WORDS: dict[str, str] = {
    # O: set aside
    "O": """
        ignore ignoring disregard disregarding forget forgetting bypass bypassing override overriding overrule discard
        neglect circumvent supersede disobey unlearn ignroe
        ignorier* vergiss vergessen missachte* ubergeh* umgeh* verwirf hinwegsetzen
        ignorez ignorer oublie oubliez oublier neglige negligez contourne* outrepasse* desobei*
        ignora ignorar ignoren ignore olvida olvide olviden olvidate omite omita omitir desobedece*
        ignorare ignorate ignori dimentica dimenticare dimenticate trascura* tralascia* scavalca*
        ignorem esqueca esquece esquecer desconsidere desconsidera* despreza despreze contorne
        negeer negeren vergeet vergeten omzeil* overschrijf*
        zignoruj* ignoruj* zapomnij* pomin pomini* obejdz
        игнорир* проигнорир* забуд* забыть отбрось* обойди* пренебрег* нарушь
        yoksay gormezden unut* ignorera glom bortse
    """,
    # P: what came before
    "P": """
        previous previously prior above earlier preceding foregoing before initial original existing current past
        vorherig* vorig* bisherig* obig* fruher* vorangegangen* vorangehend* bestehend* ursprunglich* bevor zuvor
        precedent* anterieur* ci-dessus initial* avant dessus existant*
        anterior* previ* precedent* arriba existente* hasta
        precedenti precedente precedent* anteriori sopra finora
        acima antes prev*
        vorige eerdere voorgaande bovenstaande eerder bestaande
        poprzedni* wczesniejsz* powyzsz* dotychczasow*
        предыдущ* прежн* ранее вышеуказанн* вышеизложенн* прошл* существующ*
        onceki tidigare ovanstaende
    """,
    # A: all of them
    "A": """
        all any every everything entire
        alle alles allen aller samtlich* jede jeden jegliche*
        tout tous toute toutes
        todo todos toda todas cualquier
        tutto tutti tutte tutta ogni
        quaisquer tudo
        elke
        wszystk* kazd* wszelk*
        все всех всё любые каждый всю
        tum butun alla allt
    """,
    # Y: the agent's own
    "Y": """
        your yours
        dein deine deinen deiner deinem deines ihre ihren ihrer
        ton tes votre vos
        tu tus vuestr*
        tuo tua tue tuoi vostr*
        seu sua seus suas teu tua teus tuas
        jouw uw
        twoj twoje twoich twoja swoje swoich
        твои твоих твой твоя свои своих ваши ваших ваш
        din dina ditt
    """,
    # S: of the system
    "S": """
        system systems systemprompt hidden internal secret developer confidential underlying
        intern* geheim* versteckt* vertraulich* systemanweisung* systemvorgab* systemaufforderung*
        systeme interne* secret* cache caches cachee cachees confidentiel*
        sistema intern* secreto* secreta* ocult* confidencial*
        nascost* segret* riservat*
        systeem interne geheime verborgen
        systemu systemow* ukryt* tajn* wewnetrzn*
        систем* скрыт* секретн* внутренн*
        sistem gizli
    """,
    # R: what it was told
    "R": """
        instruction instructions rule rules directive directives guideline guidelines guardrail guardrails restriction
        restrictions constraint constraints programming safeguards safeguard protocols preprompt
        anweisung* regel* vorgaben vorgabe richtlinie* instruktion* befehl* einschrankung* vorschrift* beschrankung*
        instructions consigne* regle* directive* restriction* contrainte*
        instruccion* regla* directriz directrices directiv* restriccion* orden ordenes indicaciones
        istruzion* regole regola direttiv* restrizion* vincoli indicazioni
        instruc* regra* diretriz* restric* orientac*
        instructie* regels richtlijn* beperking* aanwijzing* voorschrift*
        instrukcj* polecen* zasad* regul* wytyczn* ogranicze* nakaz*
        инструкц* правил* указан* директив* ограничен* команд* предписан*
        talimat* kurallar* instruktion* regler
    """,
    # M: the prompt
    "M": "prompt prompts promt eingabeaufforderung invite промпт* промт* prompta promptu",
    # V: tell or show
    "V": """
        reveal show print repeat output display tell give list dump leak expose disclose echo recite summarise summarize
        translate share write paste
        zeig zeige zeigen gib nenne nennen verrat* offenbar* wiederhol* druck* ausgeben schreib*
        montre* revele* affiche* repete* donne* divulgue* dis dites imprime* ecris
        muestra muestre muestrame revela revele repite repita imprime dime dame escribe
        mostra mostrami rivela rivelami ripeti stampa dimmi scrivi elenca
        mostre revele repita imprima diga liste escreva
        toon laat onthul herhaal geef druk
        pokaz ujawnij powtorz wypisz wyswietl podaj wydrukuj
        покажи покажите раскрой раскройте повтори повторите выведи напечатай назови перечисли
        goster tekrarla visa
    """,
    # L: follow
    "L": """
        follow following obey comply adhere heed
        folge folgen befolg* beachte* halte
        suis suivez suivre obeis respecte*
        sigue siga sigas seguir obedece* obedezcas
        segui seguire obbedi* rispetta*
        siga seguir obedeca obedecer
        volg volgen gehoorzaam
        przestrzegaj stosuj sluchaj wykonuj
        следуй следовать соблюдай слушай подчиняйся выполняй
    """,
    # Z: not, as an order
    "Z": """
        don't dont not never stop cease refuse
        nicht kein keine keinen niemals
        pas jamais cesse* arrete*
        no nunca deja dejes jamas
        non mai smetti
        nao pare
        niet geen stop
        nie przestan
        не никогда перестань прекрати хватит
    """,
    # W: from now on
    "W": """
        now henceforth hereafter onwards
        jetzt nun fortan
        maintenant desormais dorenavant
        ahora adelante
        ora adesso
        agora
        nu voortaan
        teraz odtad
        теперь отныне сейчас
        artik simdi nu
    """,
    # U: you
    "U": """
        you you're youre u
        du sie
        vous toi
        usted ustedes eres
        sei voce
        jij bent
        jestes
        ты вы
        sen
    """,
    # X: play a role
    "X": """
        pretend act roleplay role-play simulate imagine impersonate behave
        spiel spiele simulier* verhalte benimm stell
        pretends pretendez agis agissez simule* imagine* comporte*
        finge finja actua actue simula simule imagina comportate
        fingi fai comportati agisci immagina recita
        finja aja imagine simule
        doe speel gedraag
        udawaj zachowuj wyobraz odgrywaj
        притворись представь веди сыграй изображай
    """,
    # K: what it is to become
    "K": """
        ai llm bot chatbot assistant jailbreak jailbroken jailbreaking unrestricted unfiltered uncensored hacker
        admin administrator root superuser sudo evil amoral malicious
        assistent ki uneingeschrankt* ungefiltert* unzensiert* boser
        ia assistante pirate illimite*
        asistente
        assistente
        ongecensureerd* onbeperkt*
        asystent* nieograniczon* haker*
        ии ассистент* бот хакер* администратор* неограниченн* взломан*
    """,
    # J: what holds it back
    "J": """
        limits limitations filters filter censorship boundaries ethics moral morals limit limitation policies
        grenzen filter zensur schranken moral
        limites limite filtres censure
        limites filtros censura etica
        limiti filtri censura
        limieten grenzen
        ograniczen filtrow cenzury
        ограничений фильтров цензуры границ
    """,
    # T: without
    "T": """
        without skip skipping w/o
        ohne uberspring*
        sans
        sin
        senza
        sem
        zonder
        bez
        без
    """,
    # G: asking a person
    "G": """
        approval approvals approve authorisation authorization permission confirmation verification oversight
        genehmigung zustimmung freigabe erlaubnis ruckfrage
        approbation autorisation validation
        aprobacion autorizacion permiso
        approvazione autorizzazione
        aprovacao autorizacao
        goedkeuring toestemming
        zgody zatwierdzenia zezwolenia
        одобрения разрешения подтверждения согласования
    """,
    # E: send away
    "E": "send forward email e-mail mail post upload transfer export exfiltrate copy sende schicke envoie envia manda",
    # D: what belongs to others
    "D": """
        customers customer's users clients database databases records accounts credentials passwords password
        secrets apikey tokens env
        kunden kundendaten datenbank passworter zugangsdaten
        clients utilisateurs donnees base passe
        clientes usuarios contrasenas contrasena datos
        clienti utenti dati
        senhas senha usuarios
        klanten wachtwoorden klantgegevens
        klientow hasla danych
        клиентов паролей пароли данных пользователей
    """,
    # N: new
    "N": """
        new updated following these revised real actual
        neue neuen neuer folgende folgenden
        nouvelle nouvelles nouveau nouveaux suivante suivantes
        nueva nuevas nuevo siguientes siguiente
        nuove nuova seguenti
        novas nova seguintes
        nieuwe volgende
        nowe nowych nastepujace
        новые новым следующие
    """,
    # I: the customer's own
    "I": """
        i i'm i've i'd i'll we we've my mine our ours me us
        ich wir mein meine meinen meiner meinem unser unsere unseren mich
        je j'ai mon mes nous notre nos
        yo mi mis hemos nuestr*
        io mio mia miei mie ho abbiamo nostr*
        eu meu minha meus minhas nosso nossa
        ik mijn wij onze
        moj moje moich moja nasz*
        я мой мои моих моё моего мы наш* мне
    """,
    # H: words of everyday matters, beside which "instructions" and "prompt" mean nothing bad
    "H": """
        care washing cleaning assembly delivery deliveries courier box leaflet manual packaging package parcel recipe cooking
        brewing return returns returning refund shipping label gift gifting leave safe neighbour neighbor driver door
        descaling maintenance user's installation mounting usage setup handling storage dishwasher microwave
        reply response attention answer service action help assistance payment replacement reaction dispatch despatch
        email message letter note newsletter invoice warranty guarantee house ground golden general
        reinigung* pflege* aufbau* liefer* versand* bedienung* gebrauch* rucksende* montage* nachricht mail
        livraison entretien lavage montage retour notice message courriel emploi nettoyage
        entrega lavado montaje devolucion cuidado mensaje correo uso limpieza
        consegna lavaggio montaggio reso cura messaggio uso pulizia
        lavagem montagem devolucao cuidados mensagem limpeza
        bezorg* onderhoud montage retour bericht gebruiks* levering*
        dostaw* pielegnac* montaz* zwrot* wiadomos* czyszczen*
        доставк* уход* мойк* сборк* возврат* сообщен* письм* чистк* эксплуатац* заказ*
    """,
    # Q: set aside, told of what happened
    "Q": "ignored forgot forgotten disregarded bypassed overlooked skipped ignoriert vergass oublie",
    # C: have a tool called
    "C": "call execute invoke run trigger fuhre rufe execute* appelle ejecuta llama esegui chiama uitvoeren wykonaj вызови выполни",
    # F: the agent's own means
    "F": "tool tools function functions api plugin werkzeug outil herramienta strumento funzione narzedzie инструмент функци*",
}
